-- question: How well does the past value alone forecast the target?
-- param: target VARCHAR = (SELECT config ->> '$.panel.target' FROM meta.runs ORDER BY run_id DESC LIMIT 1) -- a column of features with its past; the default is the last run's

-- The bar that a model has to clear. The forecasts are the target's value of last year
-- and its mean over the two years before, both on the rows that have last year's.
--   R2  = 1 - sum of squared errors / sum of squares around the year's mean target;
--         negative where the forecast is worse than that mean
--   MAE = mean of the absolute errors, in the unit of the target
WITH targets AS (
    SELECT
        year,
        COLUMNS(lambda c: c = $target) AS target,
        avg(target) OVER (PARTITION BY year) AS mean_target,
        COLUMNS(lambda c: c = $target || '_lag1') AS last_year,
        COLUMNS(lambda c: c = $target || '_rolling2') AS mean_of_two_years
    FROM features
    WHERE target IS NOT NULL AND last_year IS NOT NULL
),

forecasts AS (
    UNPIVOT targets
    ON last_year, mean_of_two_years INTO NAME forecast VALUE predicted
)

SELECT
    year,
    forecast,
    count(*) AS n_rows,
    round(
        1 - sum((target - predicted) ** 2)
        / nullif(sum((target - mean_target) ** 2), 0),
        4
    ) AS r2,
    round(avg(abs(target - predicted)), 2) AS mae
FROM forecasts
GROUP BY year, forecast
ORDER BY year, forecast
