-- question: Which DRGs cost the hospitals most in a year?
-- param: year INTEGER = 2017 -- calendar year of discharge
-- param: n_rows INTEGER = 20 -- rows returned at most

SELECT
    apr_drg_code,
    drgs.apr_drg_description,
    sum(discharges) AS n_discharges,
    CAST(sum(mean_cost * discharges) AS BIGINT) AS total_cost_usd
FROM discharges
LEFT JOIN drgs USING (apr_drg_code)
WHERE year = $year
GROUP BY ALL
ORDER BY total_cost_usd DESC, apr_drg_code
LIMIT $n_rows
