-- question: Which facilities spend more on a DRG than they charge for it?
-- param: year INTEGER = 2017 -- calendar year of discharge
-- param: min_discharges INTEGER = 5 -- discharges that a facility needs with the DRG
-- param: n_rows INTEGER = 20 -- rows returned at most

-- The loss is total cost - total charge, over all severities. Charges are list prices,
-- which payers undercut, so these are losses even at the list price.
WITH losses AS (
    SELECT
        facility_id,
        apr_drg_code,
        sum(discharges) AS n_discharges,
        sum(mean_charge * discharges) AS total_charge,
        sum(total_mean_cost) AS total_cost,
        total_cost - total_charge AS loss
    FROM discharges
    WHERE year = $year
    GROUP BY facility_id, apr_drg_code
    HAVING n_discharges >= $min_discharges AND loss > 0
)

SELECT
    facility_id,
    facility_name,
    apr_drg_code,
    apr_drg_description,
    n_discharges,
    CAST(total_charge AS BIGINT) AS total_charge_usd,
    CAST(total_cost AS BIGINT) AS total_cost_usd,
    CAST(loss AS BIGINT) AS loss_usd,
    round(loss / n_discharges, 2) AS loss_per_discharge_usd
FROM losses
LEFT JOIN facilities USING (facility_id)
LEFT JOIN drgs USING (apr_drg_code)
ORDER BY loss DESC, facility_id, apr_drg_code
LIMIT $n_rows
