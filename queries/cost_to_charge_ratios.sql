-- question: Which facilities charge most for what they spend?
-- param: year INTEGER = 2017 -- calendar year of discharge
-- param: min_discharges INTEGER = 100 -- discharges that a facility needs in the year
-- param: n_rows INTEGER = 300 -- rows returned at most; the default shows all

-- The ratio is total cost / total charge of the facility; rank 1 is the lowest, the
-- highest charge per dollar of cost. The state's median is over the listed facilities,
-- each counting once. Charges are list prices, not what payers pay.
WITH by_facility AS (
    SELECT
        facility_id,
        sum(discharges) AS n_discharges,
        sum(total_mean_cost) AS total_cost,
        sum(mean_charge * discharges) AS total_charge,
        total_cost / nullif(total_charge, 0) AS cost_to_charge
    FROM discharges
    WHERE year = $year
    GROUP BY facility_id
    HAVING n_discharges >= $min_discharges
)

SELECT
    rank() OVER (ORDER BY cost_to_charge) AS rank,
    facility_id,
    facility_name,
    n_discharges,
    CAST(total_cost AS BIGINT) AS total_cost_usd,
    CAST(total_charge AS BIGINT) AS total_charge_usd,
    round(cost_to_charge, 3) AS cost_to_charge,
    round(median(cost_to_charge) OVER (), 3) AS state_median
FROM by_facility
LEFT JOIN facilities USING (facility_id)
WHERE cost_to_charge IS NOT NULL
ORDER BY rank, facility_id
LIMIT $n_rows
