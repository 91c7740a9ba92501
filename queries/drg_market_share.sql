-- question: Which facilities treat a DRG, how many cases and at what cost?
-- param: drg INTEGER = 53 -- APR DRG code
-- param: year INTEGER = 2017 -- calendar year of discharge
-- param: n_rows INTEGER = 20 -- rows returned at most

-- Shares are of the state's discharges with the DRG. The mean severity, from 1 minor to
-- 4 extreme, tells whether a dear facility also has the sicker patients; discharges of
-- severity 0, not applicable, do not count in it.
WITH by_facility AS (
    SELECT
        facility_id,
        sum(discharges) AS n_discharges,
        sum(total_mean_cost) AS total_cost,
        sum(apr_severity_of_illness_code * discharges)
        / nullif(
            sum(discharges) FILTER (apr_severity_of_illness_code > 0), 0
        ) AS mean_severity
    FROM discharges
    WHERE year = $year AND apr_drg_code = $drg
    GROUP BY facility_id
)

SELECT
    facility_id,
    facility_name,
    n_discharges,
    round(100 * n_discharges / sum(n_discharges) OVER (), 2) AS share_pct,
    round(total_cost / n_discharges, 2) AS cost_per_discharge_usd,
    round(mean_severity, 2) AS mean_severity
FROM by_facility
LEFT JOIN facilities USING (facility_id)
ORDER BY n_discharges DESC, facility_id
LIMIT $n_rows
