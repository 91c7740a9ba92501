-- question: What is wrong with the rows that the last run set aside?
-- param: n_rows INTEGER = 20 -- kinds of fault returned at most

-- A row with several faults counts under each of them. No rows, no faults.
SELECT
    source,
    file,
    "column",
    reason,
    count(*) AS n_values,
    min(line) AS first_line,
    arg_min(value, line) AS first_value
FROM quarantine
GROUP BY source, file, "column", reason
ORDER BY n_values DESC, source, file, "column", reason
LIMIT $n_rows
