-- question: Which rows charge a strange multiple of their cost?
-- param: year INTEGER = 2017 -- calendar year of discharge
-- param: k DOUBLE = 1.5 -- fences, in interquartile ranges (IQR) beyond the quartiles
-- param: min_discharges INTEGER = 5 -- discharges that a row needs
-- param: n_rows INTEGER = 20 -- rows returned at most

-- Tukey's fences: a mean charge / mean cost below Q1 - k x IQR or above Q3 + k x IQR of
-- the year's rows, each counting once. iqrs_beyond is the distance from the nearer
-- quartile in IQRs, negative below.
WITH ratios AS (
    SELECT
        facility_id,
        apr_drg_code,
        apr_severity_of_illness_code AS severity,
        discharges AS n_discharges,
        mean_charge,
        mean_cost,
        mean_charge / mean_cost AS charge_to_cost
    FROM discharges
    WHERE year = $year AND discharges >= $min_discharges AND mean_cost > 0
),

fences AS (
    SELECT
        quantile_cont(charge_to_cost, 0.25) AS q1,
        quantile_cont(charge_to_cost, 0.75) AS q3,
        nullif(q3 - q1, 0) AS iqr
    FROM ratios
)

SELECT
    facility_id,
    facility_name,
    apr_drg_code,
    apr_drg_description,
    severity,
    n_discharges,
    round(mean_charge, 2) AS mean_charge_usd,
    round(mean_cost, 2) AS mean_cost_usd,
    round(charge_to_cost, 3) AS charge_to_cost,
    round(
        greatest(charge_to_cost - q3, 0) / iqr + least(charge_to_cost - q1, 0) / iqr, 2
    ) AS iqrs_beyond
FROM ratios
CROSS JOIN fences
LEFT JOIN facilities USING (facility_id)
LEFT JOIN drgs USING (apr_drg_code)
WHERE charge_to_cost NOT BETWEEN q1 - $k * iqr AND q3 + $k * iqr
ORDER BY abs(iqrs_beyond) DESC, facility_id, apr_drg_code, severity, n_discharges DESC
LIMIT $n_rows
