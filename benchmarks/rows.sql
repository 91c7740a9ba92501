-- The figures that are committed, in a clone that has measured none of its own.

INSERT INTO meta.benchmarks BY NAME
SELECT
    measured_at, "commit", to_json(machine) AS machine, to_json(versions) AS versions,
    f.task, f.contender, f.n_rows, f.n_runs,
    f.cpu_s.median AS cpu_s, f.cpu_s.low AS cpu_s_low, f.cpu_s.high AS cpu_s_high,
    f.wall_s.median AS wall_s, f.wall_s.low AS wall_s_low, f.wall_s.high AS wall_s_high,
    f.peak_mib.median AS peak_mib, f.peak_mib.low AS peak_mib_low,
    f.peak_mib.high AS peak_mib_high,
    f.cpu_x, f.wall_x
FROM (
    SELECT * EXCLUDE figures, unnest(figures) AS f
    FROM read_json('results/*.json', union_by_name = true)
)
WHERE NOT EXISTS (FROM meta.benchmarks);
