-- question: Which facilities' costs changed most from the year before, and why?
-- param: year INTEGER = 2017 -- calendar year, compared with the one before
-- param: min_discharges INTEGER = 100 -- discharges that a facility needs in both years
-- param: n_rows INTEGER = 20 -- rows returned at most

-- change = volume effect + rate effect, where
--   volume effect = (discharges - discharges before) x cost per discharge before
--   rate effect   = (cost per discharge - the same before) x discharges
-- The rate holds dearer care and a dearer mix of patients alike.
WITH by_facility AS (
    SELECT
        facility_id,
        sum(discharges) FILTER (year = $year) AS n_after,
        sum(discharges) FILTER (year = $year - 1) AS n_before,
        sum(total_mean_cost) FILTER (year = $year) AS cost_after,
        sum(total_mean_cost) FILTER (year = $year - 1) AS cost_before
    FROM discharges
    WHERE year IN ($year - 1, $year)
    GROUP BY facility_id
    HAVING n_after >= $min_discharges AND n_before >= $min_discharges
)

SELECT
    facility_id,
    facility_name,
    n_before AS n_discharges_before,
    n_after AS n_discharges,
    CAST(cost_before AS BIGINT) AS total_cost_before_usd,
    CAST(cost_after AS BIGINT) AS total_cost_usd,
    CAST(cost_after - cost_before AS BIGINT) AS change_usd,
    round(100 * (cost_after / nullif(cost_before, 0) - 1), 1) AS change_pct,
    CAST((n_after - n_before) * cost_before / n_before AS BIGINT) AS volume_effect_usd,
    CAST(cost_after - n_after * cost_before / n_before AS BIGINT) AS rate_effect_usd
FROM by_facility
LEFT JOIN facilities USING (facility_id)
ORDER BY abs(cost_after - cost_before) DESC, facility_id
LIMIT $n_rows
