-- question: How many pairs of facility and DRG come and go each year?

-- A pair is in a year if it has discharges there, after rare DRGs were left out. One
-- that stays was there the year before; one that comes was not, so it has no value of
-- last year to learn from. One that goes is not there the year after. What came in the
-- first year of the data, and what goes in the last one, nobody knows: null.
WITH pairs AS (
    SELECT
        year,
        lag(year) OVER pair IS NOT DISTINCT FROM year - 1 AS was_there,
        lead(year) OVER pair IS NOT DISTINCT FROM year + 1 AS will_be_there
    FROM facility_drg_year
    WINDOW pair AS (PARTITION BY facility_id, apr_drg_code ORDER BY year)
),

ends AS (
    SELECT min(year) AS first_year, max(year) AS last_year
    FROM facility_drg_year
)

SELECT
    year,
    count(*) AS n_pairs,
    if(year > first_year, count(*) FILTER (was_there), NULL) AS n_stay,
    if(year > first_year, count(*) FILTER (NOT was_there), NULL) AS n_come,
    if(year < last_year, count(*) FILTER (NOT will_be_there), NULL) AS n_go,
    round(100 * n_come / n_pairs, 1) AS come_pct
FROM pairs, ends
GROUP BY year, first_year, last_year
ORDER BY year
