-- question: How many pairs of facility and DRG come and go each year?

-- A pair is in a year if it has discharges there, after rare DRGs were left out. One
-- that stays was there the year before; one that comes was not, so it has no value of
-- last year to learn from. One that goes is not there the year after. In the first year
-- of the data every pair comes, in the last one every pair goes.
WITH pairs AS (
    SELECT
        year,
        lag(year) OVER pair IS NOT DISTINCT FROM year - 1 AS was_there,
        lead(year) OVER pair IS NOT DISTINCT FROM year + 1 AS will_be_there
    FROM facility_drg_year
    WINDOW pair AS (PARTITION BY facility_id, apr_drg_code ORDER BY year)
)

SELECT
    year,
    count(*) AS n_pairs,
    count(*) FILTER (was_there) AS n_stay,
    count(*) FILTER (NOT was_there) AS n_come,
    count(*) FILTER (NOT will_be_there) AS n_go,
    round(100 * n_come / n_pairs, 1) AS come_pct
FROM pairs
GROUP BY year
ORDER BY year
