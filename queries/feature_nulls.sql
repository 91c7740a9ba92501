-- question: How much of each feature is missing?

-- A null of a lag is a pair of facility and DRG that was not there in that year.
WITH nulls AS (
    UNPIVOT (SELECT count(*) - count(COLUMNS(*)) FROM features)
    ON COLUMNS(*) INTO NAME feature VALUE n_nulls
)

SELECT
    feature,
    n_nulls,
    round(100 * n_nulls / (SELECT count(*) FROM features), 2) AS null_pct
FROM nulls
ORDER BY n_nulls DESC, feature
