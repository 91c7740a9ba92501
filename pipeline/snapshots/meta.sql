-- What the catalog says of runs.

CREATE TABLE meta.catalog (format INTEGER, folder VARCHAR);
COMMENT ON TABLE meta.catalog IS 'what this file is made for';

CREATE TABLE meta.runs (
    run_id VARCHAR PRIMARY KEY, started_at TIMESTAMP, restores VARCHAR,
    profile VARCHAR, source VARCHAR, files VARCHAR[], n_bad_rows BIGINT,
    execute_s DOUBLE, total_s DOUBLE, versions JSON, "commit" VARCHAR, config JSON,
    kept BOOLEAN
);
COMMENT ON TABLE meta.runs IS
    'one row per run; started_at is UTC, *_s are wall seconds; kept: can be queried';

CREATE TABLE meta.stages (
    run_id VARCHAR, position INTEGER, stage VARCHAR, transform VARCHAR,
    inputs VARCHAR[], snapshot VARCHAR, n_rows BIGINT, n_columns INTEGER,
    fingerprint VARCHAR
);
COMMENT ON TABLE meta.stages IS 'the stages of each run, in order, with row counts';

CREATE TABLE meta.snapshots (
    run_id VARCHAR, snapshot VARCHAR, stage VARCHAR, key VARCHAR[], state VARCHAR,
    n_rows BIGINT, n_bytes BIGINT, fingerprint VARCHAR, content_hash VARCHAR,
    computed_by VARCHAR, path VARCHAR
);
COMMENT ON TABLE meta.snapshots IS
    'the snapshots of each run; state: computed, restored, fresh or kept';

CREATE TABLE meta.columns (
    run_id VARCHAR, stage VARCHAR, snapshot VARCHAR, position INTEGER,
    column_name VARCHAR, dtype VARCHAR, description VARCHAR, unit VARCHAR
);
COMMENT ON TABLE meta.columns IS
    'the columns of each stage of the kept runs; description as it was said then';

CREATE TABLE meta.profiles (
    run_id VARCHAR, snapshot VARCHAR, position INTEGER, column_name VARCHAR,
    dtype VARCHAR, n_nulls BIGINT, n_distinct BIGINT, min VARCHAR, max VARCHAR,
    mean DOUBLE, q05 DOUBLE, q25 DOUBLE, q50 DOUBLE, q75 DOUBLE, q95 DOUBLE,
    content_hash VARCHAR
);
COMMENT ON TABLE meta.profiles IS
    'statistics of each column of the kept runs; above 65,536 rows n_distinct is'
    ' estimated, with a standard error of 7 %, and q* are those of every 32nd row;'
    ' content_hash is equal for equal values in equal rows';

CREATE TABLE meta.checks (
    run_id VARCHAR, snapshot VARCHAR, check_name VARCHAR, severity VARCHAR,
    description VARCHAR, n_failures BIGINT
);
COMMENT ON TABLE meta.checks IS 'the contracts each run was held to';

CREATE TABLE meta.lineage (
    run_id VARCHAR, stage VARCHAR, column_name VARCHAR, input VARCHAR,
    input_column VARCHAR, kind VARCHAR
);
COMMENT ON TABLE meta.lineage IS
    'what each column of the newest run is made of; no column_name: the rows';
