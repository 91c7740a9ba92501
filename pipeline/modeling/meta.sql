-- What this room contributes to the catalog.

CREATE TABLE meta.models (
    model VARCHAR, fingerprint VARCHAR, features VARCHAR, run_id VARCHAR,
    created_at TIMESTAMP, study VARCHAR, params JSON, spans JSON, metrics JSON,
    mlflow_run VARCHAR, name VARCHAR, version INTEGER, aliases VARCHAR[],
    target VARCHAR, unit VARCHAR, entity VARCHAR[], horizon INTEGER, metric VARCHAR,
    on_trust VARCHAR[]
);
COMMENT ON TABLE meta.models IS
    'the trained models; features: fingerprint of the snapshot they learned from;
    on_trust: what of the features no audit proves';

CREATE TABLE meta.promotions (
    name VARCHAR, version INTEGER, fingerprint VARCHAR, decided_at TIMESTAMP,
    against INTEGER, is_champion BOOLEAN, reasons VARCHAR[],
    terms JSON, notes VARCHAR[]
);
COMMENT ON TABLE meta.promotions IS
    'what was decided of each version, against which champion; reasons: why not;
    terms: what it was held to; notes: what of it was eased or taken on trust';

CREATE TABLE meta.comparisons (
    fingerprint VARCHAR, target VARCHAR, unit VARCHAR, metric VARCHAR,
    reference VARCHAR, slice_by VARCHAR,
    slice VARCHAR, value DOUBLE, reference_value DOUBLE, difference DOUBLE,
    lower DOUBLE, upper DOUBLE, n_rows BIGINT, n_clusters BIGINT
);
COMMENT ON TABLE meta.comparisons IS
    'the error of the model of a fingerprint less that of a baseline, paired row by row';

CREATE TABLE meta.evaluations (
    fingerprint VARCHAR, target VARCHAR, unit VARCHAR, model VARCHAR,
    slice_by VARCHAR, slice VARCHAR, metric VARCHAR, value DOUBLE, lower DOUBLE, upper DOUBLE, n_rows BIGINT,
    n_clusters BIGINT
);
COMMENT ON TABLE meta.evaluations IS
    'test figures of the model of a fingerprint and of its baselines, with 95 % bounds';
