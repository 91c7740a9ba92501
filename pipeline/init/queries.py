"""Three questions, as SQL files."""

from pipeline.init.choose import Panel
from pipeline.init.names import Names
from pipeline.init.words import sql


def query_texts(panel: Panel, names: Names, snapshot: str) -> dict[str, str]:
    """Write three questions."""
    time, target = sql(names.stages[panel.time]), sql(names.stages[panel.target])
    entity = [sql(name) for name in names.of(panel.entity)]
    listed = ", ".join(entity)
    same = " AND ".join(f"last.{name} = predictions.{name}" for name in entity)
    return {
        "queries/rows_per_period.sql": f"""\
-- question: How many rows has each period, and how much of the target?

SELECT
    {time},
    count(*) AS n_rows,
    sum({target}) AS total,
    avg({target}) AS mean,
    count(*) FILTER ({target} = 0) AS n_zero
FROM {snapshot}
GROUP BY {time}
ORDER BY {time}
""",
        "queries/biggest_movers.sql": f"""\
-- question: Whose value has changed most in the last period?
-- param: n_rows INTEGER = 20 -- rows returned at most

WITH steps AS (
    SELECT
        {listed},
        {time},
        {target} AS value,
        lag({target}) OVER (PARTITION BY {listed} ORDER BY {time}) AS before
    FROM {snapshot}
)

SELECT {listed}, {time}, before, value, value - before AS change
FROM steps
WHERE {time} = (SELECT max({time}) FROM {snapshot}) AND before IS NOT NULL
ORDER BY abs(value - before) DESC, {listed}
LIMIT $n_rows
""",
        "queries/forecast.sql": f"""\
-- question: What is forecast, beside the last known value? (after `pipeline pipeline`)
-- param: n_rows INTEGER = 20 -- rows returned at most

WITH last AS (
    SELECT {listed}, {target} AS value
    FROM {snapshot}
    QUALIFY row_number() OVER (PARTITION BY {listed} ORDER BY {time} DESC) = 1
)

SELECT
    {", ".join(f"predictions.{name}" for name in entity)},
    predictions.{time},
    last.value AS last_value,
    prediction,
    lower,
    upper
FROM predictions
LEFT JOIN last ON {same}
ORDER BY prediction DESC, {", ".join(f"predictions.{name}" for name in entity)}
LIMIT $n_rows
""",
    }
