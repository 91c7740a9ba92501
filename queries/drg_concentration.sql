-- question: Which DRGs are in the hands of few facilities?
-- param: year INTEGER = 2017 -- calendar year of discharge
-- param: min_discharges INTEGER = 100 -- discharges in the state that a DRG needs
-- param: n_rows INTEGER = 20 -- rows returned at most

-- Herfindahl-Hirschman index: the sum over facilities of the squared share of the DRG's
-- discharges in percent, from near 0 (many equals) to 10,000 (one facility). Facilities
-- count one by one, also where they belong to one owner; the market is the whole state.
WITH shares AS (
    SELECT
        apr_drg_code,
        facility_id,
        sum(discharges) AS n_discharges,
        100 * n_discharges
        / sum(sum(discharges)) OVER (PARTITION BY apr_drg_code) AS share_pct
    FROM discharges
    WHERE year = $year
    GROUP BY apr_drg_code, facility_id
),

leaders AS (
    SELECT
        apr_drg_code,
        facility_id,
        share_pct
    FROM shares
    QUALIFY
        row_number() OVER (
            PARTITION BY apr_drg_code ORDER BY n_discharges DESC, facility_id
        ) = 1
),

by_drg AS (
    SELECT
        apr_drg_code,
        count(*) AS n_facilities,
        sum(n_discharges) AS n_discharges,
        sum(share_pct ** 2) AS herfindahl
    FROM shares
    GROUP BY apr_drg_code
)

SELECT
    apr_drg_code,
    apr_drg_description,
    n_discharges,
    n_facilities,
    CAST(herfindahl AS BIGINT) AS herfindahl_index,
    facility_name AS largest_facility,
    round(share_pct, 1) AS largest_share_pct
FROM by_drg
INNER JOIN leaders USING (apr_drg_code)
LEFT JOIN drgs USING (apr_drg_code)
LEFT JOIN facilities USING (facility_id)
WHERE n_discharges >= $min_discharges
ORDER BY herfindahl DESC, apr_drg_code
LIMIT $n_rows
