"""The features as one hand-written DuckDB query over the CSV: the rival to beat."""

from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.semantics import (
    KEY,
    LAGGED,
    MEANS,
    MEDIANS,
    SEVERITIES,
    TARGET,
    Semantics,
)

RAW_TYPES = {
    "year": "BIGINT",
    "facility_id": "BIGINT",
    "facility_name": "VARCHAR",
    "apr_drg_code": "BIGINT",
    "apr_severity_of_illness_code": "BIGINT",
    "apr_drg_description": "VARCHAR",
    "apr_severity_of_illness_description": "VARCHAR",
    "apr_medical_surgical_code": "VARCHAR",
    "apr_medical_surgical_description": "VARCHAR",
    "discharges": "INTEGER",
    "mean_charge": "DOUBLE",
    "median_charge": "DOUBLE",
    "mean_cost": "DOUBLE",
    "median_cost": "DOUBLE",
}

# The lowest value at which the discharges up to it are no fewer than those above it.
# Forms tried, CPU seconds for five medians of 351,710 groups of 1,081,672 rows in
# memory: min(x, n) with arg_min(w, x, n), 0.97, but no more than n rows a group; these
# lists, 1.07; self join, 1.17 to 1.5; list_sort with list_reduce, 4.3, and
# list(ORDER BY), 9.9 (both of a set with 524,682 groups); windows, 2.9.
MEDIAN = """list_min(list_filter({0}, LAMBDA x: list_dot_product(weights,
            list_transform({0}, LAMBDA y:
                CASE WHEN y <= x THEN 1.0::DOUBLE WHEN y > x THEN -1 ELSE 0 END)
        ) >= 0)) AS w_{0}"""


def read_raw(path: Path) -> duckdb.DuckDBPyRelation:
    """Open the raw CSV; nothing is read before `features` asks for it."""
    return duckdb.connect().read_csv(
        str(path), header=True, columns=RAW_TYPES, auto_detect=False
    )


def features(raw: duckdb.DuckDBPyRelation, semantics: Semantics) -> pa.Table:
    """Run the whole query on the raw rows."""
    table = raw.query("raw", features_sql(semantics))
    assert table is not None  # it is None only for statements that return no rows
    return table.to_arrow_table()


def features_sql(semantics: Semantics) -> str:
    """Write the query for the given semantics."""
    reference = (
        "true"
        if semantics.reference_periods is None
        else f"year < (SELECT min(year) FROM read) + {semantics.reference_periods}"
    )
    position = "year" if semantics.by_calendar else "row_in_pair"
    suffix = semantics.suffix
    group_features = [
        f"{column}{suffix}"
        for column in (
            "facility_drg_count",
            "year_drg_count",
            "ratio_drg_facility_vs_year",
            "yearly_discharge_bin",
        )
    ]
    return f"""
WITH read AS MATERIALIZED (
    SELECT year, facility_id, apr_drg_code, apr_severity_of_illness_code, discharges,
        mean_charge, median_charge, mean_cost, median_cost
    FROM raw
),
kept AS (
    SELECT apr_drg_code FROM read WHERE {reference}
    GROUP BY ALL HAVING sum(discharges) > {semantics.min_discharges}
),
cases AS (
    SELECT (facility_id * 10000 + apr_drg_code) * 10000 + year AS panel_id,
        apr_severity_of_illness_code AS severity, discharges,
        mean_charge, median_charge, mean_cost, median_cost,
        mean_charge - mean_cost AS mean_profit,
        median_charge - median_cost AS median_profit,
        mean_profit * discharges AS total_mean_profit,
        mean_cost * discharges AS total_mean_cost,
        median_profit * discharges AS total_median_profit,
        median_cost * discharges AS total_median_cost
    FROM read SEMI JOIN kept USING (apr_drg_code)
),
groups AS (
    SELECT panel_id, list(discharges::DOUBLE) AS weights,
        {_list("list({0}) AS {0}", MEDIANS)}, sum(discharges)::BIGINT AS sum_discharges,
        {
        _list(
            "coalesce(sum(discharges) FILTER (severity = {0}), 0) / sum_discharges "
            "AS severity_{0}_portion",
            SEVERITIES,
        )
    },
        {
        _list(
            "sum({0} * discharges) / sum(discharges) FILTER ({0} IS NOT NULL) AS w_{0}",
            MEANS,
        )
    }
    FROM cases GROUP BY panel_id
),
panel AS (
    SELECT panel_id // 100000000 AS facility_id,
        panel_id // 10000 % 10000 AS apr_drg_code,
        panel_id % 10000 AS year,
        sum_discharges,
        {_list("severity_{0}_portion", SEVERITIES)},
        {_list("w_{0}", MEANS)},
        {_list(MEDIAN, MEDIANS)}
    FROM groups
),
facility_years AS (
    SELECT year, facility_id, count(*) AS drg_count, sum(sum_discharges) AS total
    FROM panel GROUP BY ALL
),
years AS (
    SELECT year,
        list_distinct(quantile_cont(total, [0, 0.2, 0.4, 0.6, 0.8, 1])) AS edges
    FROM facility_years GROUP BY year
),
year_counts AS (
    SELECT year, count(DISTINCT apr_drg_code) AS drg_count FROM panel GROUP BY year
),
group_features AS (
    SELECT year + {semantics.group_lag} AS year, facility_id,
        f.drg_count AS facility_drg_count,
        CASE WHEN len(edges) > 1 THEN
            greatest(len(list_filter(edges, LAMBDA edge: edge < total)) - 1, 0)
        END AS yearly_discharge_bin
    FROM facility_years AS f JOIN years USING (year)
),
placed AS (
    SELECT *, row_number() OVER (
        PARTITION BY facility_id, apr_drg_code ORDER BY year) AS row_in_pair
    FROM panel
),
lagged AS (
    SELECT now.year, now.facility_id, now.apr_drg_code, now.{TARGET},
        {_list("one.{0} AS {0}_lag1", LAGGED)},
        {
        _list(
            "coalesce((one.{0} + two.{0}) / 2, one.{0}, two.{0}) AS {0}_rolling2",
            LAGGED,
        )
    }
    FROM placed AS now
    LEFT JOIN placed AS one ON now.facility_id = one.facility_id
        AND now.apr_drg_code = one.apr_drg_code AND now.{position} = one.{position} + 1
    LEFT JOIN placed AS two ON now.facility_id = two.facility_id
        AND now.apr_drg_code = two.apr_drg_code AND now.{position} = two.{position} + 2
)
SELECT year, facility_id, apr_drg_code, {TARGET},
    facility_drg_count AS {group_features[0]},
    drg_count AS {group_features[1]},
    facility_drg_count / drg_count AS {group_features[2]},
    yearly_discharge_bin AS {group_features[3]},
    {_list("{0}_lag1", LAGGED)},
    {_list("{0}_rolling2", LAGGED)}
FROM lagged
LEFT JOIN group_features USING (year, facility_id)
LEFT JOIN (SELECT year + {semantics.group_lag} AS year, drg_count FROM year_counts)
    USING (year)
WHERE {" AND ".join(f"{column}_rolling2 IS NOT NULL" for column in LAGGED)}
ORDER BY {", ".join(KEY)}
"""


def _list(template: str, columns: list) -> str:
    """Fill the template with each column, separated by commas."""
    return ",\n        ".join(template.format(column) for column in columns)
