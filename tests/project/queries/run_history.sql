-- question: What did the last runs read and publish, and how long did they take?
-- param: n_rows INTEGER = 10 -- runs returned at most, the latest first

-- Times are UTC and wall seconds; execute_s is the one pass over the data.
SELECT
    run_id,
    started_at,
    source,
    coalesce(profile, 'none') AS profile,
    len(files) AS n_files,
    n_bad_rows,
    round(execute_s, 1) AS execute_s,
    round(total_s, 1) AS total_s,
    count(snapshot) AS n_snapshots,
    sum(meta.snapshots.n_rows) AS n_snapshot_rows,
    round(sum(n_bytes) / 1e6, 1) AS snapshots_mb
FROM meta.runs
LEFT JOIN meta.snapshots USING (run_id)
GROUP BY ALL
ORDER BY started_at DESC, run_id DESC
LIMIT $n_rows
