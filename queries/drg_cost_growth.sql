-- question: Which DRGs grew dearest per discharge between two years?
-- param: from_year INTEGER = 2009 -- first calendar year
-- param: to_year INTEGER = 2017 -- last calendar year, after the first
-- param: min_discharges INTEGER = 100 -- that a DRG needs in each of the two
-- param: n_rows INTEGER = 20 -- rows returned at most

-- Cost per discharge is total cost / discharges over the state, in US dollars of each
-- year, so inflation and a shift to higher severity count as growth. The yearly growth
-- is the constant rate that leads from the first to the last.
WITH by_drg AS (
    SELECT
        apr_drg_code,
        sum(discharges) FILTER (year = $from_year) AS n_discharges_from,
        sum(discharges) FILTER (year = $to_year) AS n_discharges_to,
        sum(total_mean_cost) FILTER (year = $from_year)
        / nullif(n_discharges_from, 0) AS cost_from,
        sum(total_mean_cost) FILTER (year = $to_year)
        / nullif(n_discharges_to, 0) AS cost_to
    FROM discharges
    WHERE year IN ($from_year, $to_year)
    GROUP BY apr_drg_code
)

SELECT
    apr_drg_code,
    apr_drg_description,
    n_discharges_from,
    n_discharges_to,
    round(cost_from, 2) AS cost_per_discharge_from_usd,
    round(cost_to, 2) AS cost_per_discharge_to_usd,
    round(100 * (cost_to / cost_from - 1), 1) AS growth_pct,
    round(
        100 * ((cost_to / cost_from) ** (1 / ($to_year - $from_year)) - 1), 2
    ) AS yearly_growth_pct
FROM by_drg
LEFT JOIN drgs USING (apr_drg_code)
WHERE
    n_discharges_from >= $min_discharges
    AND n_discharges_to >= $min_discharges
    AND cost_from > 0
ORDER BY cost_to / cost_from DESC, apr_drg_code
LIMIT $n_rows
