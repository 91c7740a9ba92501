-- question: Which DRGs cost the hospitals most in a year?
-- param: year INTEGER = 2017 -- calendar year of discharge
-- param: n_rows INTEGER = 20 -- rows returned at most

-- Total cost is mean cost x discharges, summed over facilities and severities, in US
-- dollars of the year. The shares are of the state's total; the cumulative one adds up
-- from the costliest DRG down.
WITH by_drg AS (
    SELECT
        apr_drg_code,
        sum(discharges) AS n_discharges,
        sum(total_mean_cost) AS total_cost
    FROM discharges
    WHERE year = $year
    GROUP BY apr_drg_code
)

SELECT
    apr_drg_code,
    apr_drg_description,
    n_discharges,
    CAST(total_cost AS BIGINT) AS total_cost_usd,
    round(total_cost / n_discharges, 2) AS cost_per_discharge_usd,
    round(100 * total_cost / sum(total_cost) OVER (), 2) AS share_pct,
    round(
        100 * sum(total_cost) OVER (ORDER BY total_cost DESC, apr_drg_code)
        / sum(total_cost) OVER (),
        2
    ) AS cumulative_share_pct
FROM by_drg
LEFT JOIN drgs USING (apr_drg_code)
ORDER BY total_cost DESC, apr_drg_code
LIMIT $n_rows
