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

CREATE TABLE meta.forecast_scores (
    name VARCHAR, version INTEGER, fingerprint VARCHAR, run_id VARCHAR,
    target VARCHAR, unit VARCHAR, period VARCHAR, step INTEGER, model VARCHAR,
    is_baseline BOOLEAN, slice_by VARCHAR, slice VARCHAR, n_rows BIGINT,
    n_clusters BIGINT, n_forecast BIGINT, n_not_come BIGINT, n_not_forecast BIGINT,
    mae DOUBLE, rmse DOUBLE, r2 DOUBLE, wape DOUBLE, bias DOUBLE, pinball DOUBLE,
    coverage DOUBLE, coverage_lower DOUBLE, coverage_upper DOUBLE,
    nominal_coverage DOUBLE, difference DOUBLE, difference_lower DOUBLE,
    difference_upper DOUBLE
);
COMMENT ON TABLE meta.forecast_scores IS
    'how good published forecasts were, once their period had come; n_rows: that were
    forecast and came; n_not_come, n_not_forecast: entities of the whole period;
    difference: the error of the forecast less that of this baseline';

CREATE TABLE meta.drift (
    name VARCHAR, version INTEGER, period VARCHAR, feature VARCHAR, importance DOUBLE,
    is_drifted BOOLEAN, why VARCHAR, psi DOUBLE, psi_by_chance DOUBLE, unseen DOUBLE,
    beyond DOUBLE, nulls DOUBLE, q10 DOUBLE, q50 DOUBLE, q90 DOUBLE,
    nulls_learned DOUBLE, q10_learned DOUBLE, q50_learned DOUBLE, q90_learned DOUBLE,
    n_rows BIGINT
);
COMMENT ON TABLE meta.drift IS
    'of the last `just monitor`: the features that the next forecast is made of, against
    those that the champion has learned from; importance: of the feature''s group';

CREATE TABLE meta.scored (
    snapshot VARCHAR, run_id VARCHAR, name VARCHAR, version INTEGER,
    scored_at TIMESTAMP, file VARCHAR, sha256 VARCHAR, n_rows BIGINT,
    n_left_out BIGINT
);
COMMENT ON TABLE meta.scored IS
    'the files of each snapshot of `just score`: by which version, when (UTC), and what
    was in them; sha256: of a file''s bytes, in a store of its tag';
