-- What `just bench` contributes to the catalog.

CREATE TABLE meta.benchmarks (
    measured_at TIMESTAMP, "commit" VARCHAR, machine JSON, versions JSON,
    task VARCHAR, contender VARCHAR, n_rows BIGINT, n_runs INTEGER,
    cpu_s DOUBLE, cpu_s_low DOUBLE, cpu_s_high DOUBLE,
    wall_s DOUBLE, wall_s_low DOUBLE, wall_s_high DOUBLE,
    peak_mib DOUBLE, peak_mib_low DOUBLE, peak_mib_high DOUBLE,
    cpu_x DOUBLE, wall_x DOUBLE
);
COMMENT ON TABLE meta.benchmarks IS
    'medians of `just bench`, least and largest; *_x: to the task''s first contender';
