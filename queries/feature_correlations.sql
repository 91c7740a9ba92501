-- question: Which features go with the target most?
-- param: n_rows INTEGER = 40 -- rows returned at most; the default shows all

-- Pearson's correlation with w_total_median_profit over all years, on the rows where
-- both are there. It sees straight lines only, and a few large facilities weigh
-- heavily. Null for a feature that never varies.
WITH correlations AS (
    UNPIVOT (
        SELECT
            corr(
                COLUMNS(* EXCLUDE (facility_id, apr_drg_code, w_total_median_profit)),
                w_total_median_profit
            )
        FROM features
    )
    ON COLUMNS(*) INTO NAME feature VALUE r
)

SELECT
    feature,
    round(nullif(r, CAST('nan' AS DOUBLE)), 4) AS correlation
FROM correlations
ORDER BY abs(correlation) DESC NULLS LAST, feature
LIMIT $n_rows
