-- question: Where is the largest profit forecast for next year, and how sure is it?
-- param: n_rows INTEGER = 20 -- rows returned at most

-- The champion's predictions of the target, in US dollars, with the ends of their
-- intervals, beside last year's value where there is one.
WITH last_year AS (
    SELECT
        facility_id,
        apr_drg_code,
        year,
        w_total_median_profit
    FROM facility_drg_year
)

SELECT
    predictions.year,
    facility_name,
    apr_drg_description,
    CAST(prediction AS BIGINT) AS forecast_usd,
    CAST(lower AS BIGINT) AS lower_usd,
    CAST(upper AS BIGINT) AS upper_usd,
    CAST(w_total_median_profit AS BIGINT) AS last_year_usd,
    model_version
FROM predictions
LEFT JOIN facilities USING (facility_id)
LEFT JOIN drgs USING (apr_drg_code)
LEFT JOIN last_year
    ON predictions.facility_id = last_year.facility_id
    AND predictions.apr_drg_code = last_year.apr_drg_code
    AND predictions.year = last_year.year + 1
WHERE CASE
    WHEN target = 'w_total_median_profit' THEN true
    ELSE error('the forecast is of ' || target || ', not of w_total_median_profit')
END
ORDER BY prediction DESC, predictions.facility_id, predictions.apr_drg_code
LIMIT $n_rows
