-- question: Which facilities are dear for the patients they have?
-- param: year INTEGER = 2017 -- calendar year of discharge
-- param: min_discharges INTEGER = 100 -- discharges that a facility needs in the year
-- param: n_rows INTEGER = 20 -- rows returned at most

-- Indirect standardisation: the expected cost of a facility is what its discharges
-- would cost at the state's mean of the same DRG and severity. The index is observed /
-- expected: 1.1 is 10 % dearer than the state with the same patients. The state's mean
-- holds the facility itself, which draws the index of a dominant one towards 1.
WITH state AS (
    SELECT
        apr_drg_code,
        apr_severity_of_illness_code,
        sum(total_mean_cost) / sum(discharges) AS state_mean_cost
    FROM discharges
    WHERE year = $year
    GROUP BY apr_drg_code, apr_severity_of_illness_code
),

by_facility AS (
    SELECT
        facility_id,
        sum(discharges) AS n_discharges,
        sum(total_mean_cost) AS observed,
        sum(state_mean_cost * discharges) AS expected
    FROM discharges
    INNER JOIN state USING (apr_drg_code, apr_severity_of_illness_code)
    WHERE year = $year
    GROUP BY facility_id
    HAVING n_discharges >= $min_discharges
)

SELECT
    facility_id,
    facility_name,
    n_discharges,
    round(observed / n_discharges, 2) AS observed_per_discharge_usd,
    round(expected / n_discharges, 2) AS expected_per_discharge_usd,
    round(observed / nullif(expected, 0), 3) AS cost_index,
    CAST(observed - expected AS BIGINT) AS excess_cost_usd
FROM by_facility
LEFT JOIN facilities USING (facility_id)
ORDER BY observed / nullif(expected, 0) DESC NULLS LAST, facility_id
LIMIT $n_rows
