-- question: Which features go with the target most?
-- param: target VARCHAR = (SELECT config ->> '$.panel.target' FROM meta.runs ORDER BY run_id DESC LIMIT 1) -- a column of features; the default is the last run's
-- param: n_rows INTEGER = 40 -- rows returned at most; the default shows all

-- Pearson's correlation with the target over all years, on the rows where both are
-- there. It sees straight lines only, and a few large facilities weigh heavily. Null for
-- a feature that never varies.
WITH targets AS (
    SELECT *, COLUMNS(lambda c: c = $target) AS target
    FROM features
),

correlations AS (
    UNPIVOT (
        SELECT
            corr(
                COLUMNS(
                    lambda c: c NOT IN (
                        'facility_id', 'apr_drg_code', 'target', $target
                    )
                ),
                target
            )
        FROM targets
    )
    ON COLUMNS(*) INTO NAME feature VALUE r
)

SELECT
    feature,
    round(nullif(r, CAST('nan' AS DOUBLE)), 4) AS correlation
FROM correlations
ORDER BY abs(correlation) DESC NULLS LAST, feature
LIMIT $n_rows
