-- What `just profile` contributes to the catalog.

CREATE TABLE meta.stage_times (
    stage VARCHAR, transform VARCHAR, measured_at TIMESTAMP,
    seconds DOUBLE, cpu_s DOUBLE, memory_mib BIGINT,
    n_rows_in BIGINT, n_rows BIGINT, n_columns BIGINT, n_threads BIGINT,
    polars VARCHAR, fingerprint VARCHAR
);
COMMENT ON TABLE meta.stage_times IS
    'what each stage took alone, when it was last timed, of inputs in memory;
    memory_mib: with its inputs and output; fingerprint: as in meta.stages';
