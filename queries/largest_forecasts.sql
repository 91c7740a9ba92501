-- question: Where is the most forecast for next year, and how sure is it?
-- param: target VARCHAR = (SELECT config ->> '$.panel.target' FROM meta.runs ORDER BY run_id DESC LIMIT 1) -- whose last year is shown; the default is the last run's
-- param: n_rows INTEGER = 20 -- rows returned at most

-- The champion's predictions of the target with the ends of their intervals, beside last
-- year's value where there is one, all in the unit that is named.
WITH last_year AS (
    SELECT
        facility_id,
        apr_drg_code,
        year,
        COLUMNS(lambda c: c = $target) AS value
    FROM facility_drg_year
)

SELECT
    predictions.year,
    facility_name,
    apr_drg_description,
    round(prediction, 2) AS forecast,
    round(lower, 2) AS lower,
    round(upper, 2) AS upper,
    round(last_year.value, 2) AS last_year,
    unit,
    model_version
FROM predictions
LEFT JOIN facilities USING (facility_id)
LEFT JOIN drgs USING (apr_drg_code)
LEFT JOIN last_year
    ON predictions.facility_id = last_year.facility_id
    AND predictions.apr_drg_code = last_year.apr_drg_code
    AND predictions.year = last_year.year + 1
    AND predictions.target = $target
ORDER BY prediction DESC, predictions.facility_id, predictions.apr_drg_code
LIMIT $n_rows
