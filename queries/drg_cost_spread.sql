-- question: For which DRGs do facilities differ most in cost per discharge?
-- param: year INTEGER = 2017 -- calendar year of discharge
-- param: min_discharges INTEGER = 20 -- of the DRG, for a facility to count
-- param: min_facilities INTEGER = 10 -- for a DRG to be listed
-- param: n_rows INTEGER = 20 -- rows returned at most

-- Percentiles are over facilities, each counting once, linearly interpolated. P90 / P10
-- is not adjusted for severity; see severity_adjusted_cost for that.
WITH by_facility AS (
    SELECT
        apr_drg_code,
        facility_id,
        sum(discharges) AS n_discharges,
        sum(total_mean_cost) / sum(discharges) AS cost
    FROM discharges
    WHERE year = $year
    GROUP BY apr_drg_code, facility_id
    HAVING sum(discharges) >= $min_discharges
),

by_drg AS (
    SELECT
        apr_drg_code,
        count(*) AS n_facilities,
        sum(n_discharges) AS n_discharges,
        quantile_cont(cost, 0.1) AS p10,
        median(cost) AS p50,
        quantile_cont(cost, 0.9) AS p90
    FROM by_facility
    GROUP BY apr_drg_code
    HAVING count(*) >= $min_facilities
)

SELECT
    apr_drg_code,
    apr_drg_description,
    n_facilities,
    n_discharges,
    round(p10, 2) AS p10_cost_usd,
    round(p50, 2) AS median_cost_usd,
    round(p90, 2) AS p90_cost_usd,
    round(p90 / nullif(p10, 0), 2) AS p90_to_p10
FROM by_drg
LEFT JOIN drgs USING (apr_drg_code)
ORDER BY p90_to_p10 DESC NULLS LAST, apr_drg_code
LIMIT $n_rows
