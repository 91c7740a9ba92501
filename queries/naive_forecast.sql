-- question: How well does the past value alone forecast the target?

-- The bar that a model has to clear. The target is w_total_median_profit in US dollars,
-- the forecasts its value of last year and its mean over the two years before, both on
-- the rows that have last year's.
--   R2  = 1 - sum of squared errors / sum of squares around the year's mean target;
--         negative where the forecast is worse than that mean
--   MAE = mean of the absolute errors
WITH targets AS (
    SELECT
        year,
        w_total_median_profit AS target,
        avg(target) OVER (PARTITION BY year) AS mean_target,
        w_total_median_profit_lag1 AS last_year,
        w_total_median_profit_rolling2 AS mean_of_two_years
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
    CAST(avg(abs(target - predicted)) AS BIGINT) AS mae_usd
FROM forecasts
GROUP BY year, forecast
ORDER BY year, forecast
