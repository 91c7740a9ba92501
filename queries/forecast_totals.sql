-- question: What is forecast in total for next year, and for each facility?
-- param: n_rows INTEGER = 20 -- rows returned at most

-- Of the test years' totals, so many as `modeling.coverage` says were within such an
-- interval; of everything together there are too few to tell. Where the model says how
-- probable a row is, it counts by that; else all is given that each row is there.
SELECT
    year,
    total_by,
    CASE total_by WHEN 'all' THEN 'all' ELSE facility_name END AS name,
    CAST(total AS BIGINT) AS total,
    CAST(lower AS BIGINT) AS lower,
    CAST(upper AS BIGINT) AS upper,
    unit,
    target,
    n_rows
FROM predicted_totals
LEFT JOIN facilities
    ON total_by = 'facility_id'
    AND total_of = CAST(facility_id AS VARCHAR)
WHERE total_by IN ('all', 'facility_id')
ORDER BY total DESC, total_by, total_of
LIMIT $n_rows
