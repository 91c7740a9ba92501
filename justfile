set positional-arguments
set shell := ["bash", "-euo", "pipefail", "-c"]

compile := "uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-annotate --no-emit-index-url --no-header"

# Of those that are there, .venv is made of the first; UV_PYTHON names another.
pythons := "3.13 3.12 3.11 3.14"

pytest := ".venv/bin/python -m pytest --ignore tests/engine/test_spark.py"
workers := "-n auto --maxprocesses 4 --dist worksteal"

# List the recipes
[private]
default:
    @just --list --unsorted

# Create .venv from requirements.lock, or bring it up to date; other recipes call it
[group('setup')]
env:
    @if [ ! -x .venv/bin/python ] || ! cmp -s requirements.lock .venv/requirements.lock; then \
        quiet=--quiet; \
        if [ -t 2 ] && [ -z "${CI:-}" ]; then \
            quiet= && echo "installing $(grep -c == requirements.lock) packages into .venv, 1 GB; once" >&2; \
        fi; \
        if [ ! -x .venv/bin/python ]; then \
            python=$(for version in {{pythons}}; do \
                uv python find --system --no-python-downloads $version 2> /dev/null && exit; \
            done; echo ">=3.11"); \
            uv venv --quiet --clear --python "${UV_PYTHON:-$python}" .venv; \
        fi; \
        rm -f .venv/requirements*.lock; \
        uv pip sync --python .venv $quiet --require-hashes ${PYTHONDONTWRITEBYTECODE:+--compile-bytecode} requirements.lock; \
        uv pip install --python .venv --quiet --no-deps --editable .; \
        cp requirements.lock .venv/requirements.lock; \
    fi

# Add to .venv what tests and checks need, 0.4 GB; recipes of developers call it
[group('setup')]
dev-env: env
    @if ! cmp -s requirements-dev.lock .venv/requirements-dev.lock; then \
        uv pip install --python .venv --quiet --require-hashes ${PYTHONDONTWRITEBYTECODE:+--compile-bytecode} --requirements requirements-dev.lock; \
        cp requirements-dev.lock .venv/requirements-dev.lock; \
    fi

# Make bash, zsh or fish complete names, of just too: just completion bash >> ~/.bashrc
[group('setup')]
completion shell: env
    @.venv/bin/python -m pipeline completion "$@"

# Install what engine=spark needs beside it, half a gigabyte; Java must be there
[group('setup')]
spark-env: env
    @if ! cmp -s requirements-spark.lock .venv/requirements-spark.lock; then \
        uv pip install --python .venv --quiet --require-hashes ${PYTHONDONTWRITEBYTECODE:+--compile-bytecode} --requirements requirements-spark.lock; \
        cp requirements-spark.lock .venv/requirements-spark.lock; \
    fi

# Install what drives Chromium in the tests of pages, 160 MB; Chromium must be there
[group('setup')]
browser-env: dev-env
    @uv pip install --python .venv --quiet --group browser

# Write the locks anew after a change of pyproject.toml; --upgrade: the newest of everything
[group('setup')]
lock *args:
    {{compile}} "$@" pyproject.toml --output-file requirements.lock
    {{compile}} "$@" --constraint requirements.lock --group dev --output-file requirements-dev.lock
    {{compile}} "$@" --constraint requirements.lock --constraint requirements-dev.lock --extra spark pyproject.toml --output-file requirements-spark.lock
    {{compile}} "$@" --group tools --output-file requirements-tools.lock

# Run the pipeline: just run lag_columns.periods=2, just run --profile origin
[group('run')]
[no-exit-message]
run *args: env
    @.venv/bin/python -m pipeline run "$@"

# Make a variant of each combination of values: just sweep lag_columns.periods=1,2 rolling_columns.window=2,4
[group('run')]
[no-exit-message]
sweep *args: env
    @.venv/bin/python -m pipeline sweep "$@"

# List the variants, what each changes and what came of it; --drop NAME forgets one
[group('run')]
[no-exit-message]
variants *args: env
    @.venv/bin/python -m pipeline variants "$@"

# Make a variant the configuration: writes its values into YAML, shows the diff
[group('run')]
[no-exit-message]
adopt name: env
    @.venv/bin/python -m pipeline adopt "$@"

# Make a project of your data, in DIR: just init DIR sales.csv --target Sold
[group('run')]
[no-exit-message]
init dir *args: env
    @.venv/bin/python -m pipeline --project "$1" init "${@:2}"

# Make the synthetic data: just data scale=10
[group('run')]
[no-exit-message]
data *args: env
    @.venv/bin/python -m pipeline data "$@"

# Show the stages, inputs, snapshots and schemas; --optimized for Polars' own plan
[group('run')]
[no-exit-message]
plan *args: env
    @.venv/bin/python -m pipeline plan "$@"

# Print the resolved configuration: just config lag_columns.periods=2
[group('run')]
[no-exit-message]
config *args: env
    @.venv/bin/python -m pipeline config "$@"

# Write pages to look at, into .pipeline/docs: just docs --open; --serve; -o DIR; --check: names columns without a description
[group('ask')]
[no-exit-message]
docs *args: env
    @.venv/bin/python -m pipeline docs "$@"

# Ask the snapshots: just sql "from features limit 5"; without a statement, a prompt
[group('ask')]
[no-exit-message]
sql *args: env
    @.venv/bin/python -m pipeline sql "$@"

# Show rows after any stage: just show lag_columns --where "year = 2015"; --stats; --against RUN
[group('ask')]
[no-exit-message]
show *args: env
    @.venv/bin/python -m pipeline show "$@"

# Time stages one by one, or one: seconds, CPU, rows, memory; kept in meta.stage_times
[group('ask')]
[no-exit-message]
profile *args: env
    @.venv/bin/python -m pipeline profile "$@"

# Run a query of queries/: just query costliest_drgs year=2016; without a name, list
[group('ask')]
[no-exit-message]
query *args: env
    @.venv/bin/python -m pipeline query "$@"

# Trace columns: just lineage features.w_mean_cost_lag1; just lineage 'source.Mean Cost' --downstream
[group('ask')]
[no-exit-message]
lineage *args: env
    @.venv/bin/python -m pipeline lineage "$@"

# Explain a value by rows, down to file and line: just why features KEY=VALUE... COLUMN
[group('ask')]
[no-exit-message]
why *args: env
    @.venv/bin/python -m pipeline why "$@"

# What a column feeds, down to models: just impact 'source.Mean Cost'; just impact --unused
[group('ask')]
[no-exit-message]
impact *args: env
    @.venv/bin/python -m pipeline impact "$@"

# Data to forecast, only what is stale: run, tune, train, evaluate, promote, forecast
[group('model')]
[no-exit-message]
pipeline *args: env
    @.venv/bin/python -m pipeline pipeline "$@"

# Search a model's parameters, or go on: just tune ridge trials=30
[group('model')]
[no-exit-message]
tune *args: env
    @.venv/bin/python -m pipeline tune "$@"

# Fit a model, with the best parameters of its study: just train ridge
[group('model')]
[no-exit-message]
train *args: env
    @.venv/bin/python -m pipeline train "$@"

# Judge a model on the test years, against the baselines; writes its card
[group('model')]
[no-exit-message]
evaluate *args: env
    @.venv/bin/python -m pipeline evaluate "$@"

# Judge models side by side: just compare, just compare lightgbm ridge
[group('model')]
[no-exit-message]
compare *args: env
    @.venv/bin/python -m pipeline compare "$@"

# Register a model, champion if it has earned it; --rollback goes back
[group('model')]
[no-exit-message]
promote *args: env
    @.venv/bin/python -m pipeline promote "$@"

# Publish the champion's predictions of next year, as snapshot `predictions`
[group('model')]
[no-exit-message]
forecast *args: env
    @.venv/bin/python -m pipeline forecast "$@"

# Score forecasts whose periods have come, judge the champion by them, name what drifted
[group('model')]
[no-exit-message]
monitor *args: env
    @.venv/bin/python -m pipeline monitor "$@"

# Answer predictions over HTTP, by the champion: just serve --port 8001 --workers 2
[group('model')]
[no-exit-message]
serve *args: env
    @.venv/bin/python -m pipeline serve "$@"

# Predict from raw rows, with the champion: just score new.csv -o out.csv, rows/ -o out/
[group('model')]
[no-exit-message]
score file *args: env
    @.venv/bin/python -m pipeline score "$@"

# Prove on the data that no feature leaks: just audit --profile origin names those that do
[group('model')]
[no-exit-message]
audit *args: env
    @.venv/bin/python -m pipeline audit "$@"

# Open MLflow's pages at 127.0.0.1:5000: just ui --port 5001
[group('model')]
[no-exit-message]
ui *args: env
    @.venv/bin/python -m pipeline ui "$@"

# List the runs: just history; of a snapshot, its versions: just history features
[group('history')]
[no-exit-message]
history *args: env
    @.venv/bin/python -m pipeline history "$@"

# Compare a snapshot with the run before, or of two runs: just diff features -2 latest; --why: by cause
[group('history')]
[no-exit-message]
diff snapshot *args: env
    @.venv/bin/python -m pipeline diff "$@"

# Find the run in which a statement became true: just bisect "select count(*) = 0 from features"
[group('history')]
[no-exit-message]
bisect *args: env
    @.venv/bin/python -m pipeline bisect "$@"

# Write all snapshots into one DuckDB file to share: just export shared.duckdb
[group('history')]
[no-exit-message]
export file: env
    @.venv/bin/python -m pipeline export "$@"

# Publish the snapshots of an earlier run again: just restore -1
[group('history')]
[no-exit-message]
restore run: env
    @.venv/bin/python -m pipeline restore "$@"

# Compare every kept object with its checksum, and drop what is damaged; --lock: prove pipeline.lock
[group('history')]
[no-exit-message]
verify *args: env
    @.venv/bin/python -m pipeline verify "$@"

# What a change does to what is published, in Markdown: just review --against lock -o review.md
[group('history')]
[no-exit-message]
review *args: env
    @.venv/bin/python -m pipeline review "$@"

# Write hashes of data, stages and snapshots into pipeline.lock, for verify --lock elsewhere
[group('history')]
[no-exit-message]
lock-results *args: env
    @.venv/bin/python -m pipeline lock-results "$@"

# Remove what no kept run nor open reader needs, and unfinished parts; --dry-run: list; --remote: there
[group('history')]
[no-exit-message]
gc *args: env
    @.venv/bin/python -m pipeline gc "$@"

# Send a run to store.remote, where all clones find it, by default the last: just push -1
[group('history')]
[no-exit-message]
push *args: env
    @.venv/bin/python -m pipeline push "$@"

# Bring a run here from store.remote, by default the newest, with its snapshots
[group('history')]
[no-exit-message]
pull *args: env
    @.venv/bin/python -m pipeline pull "$@"

# List the logs of all runs, also of those that failed; of one run, its steps
[group('history')]
[no-exit-message]
runs *args: env
    @.venv/bin/python -m pipeline runs "$@"

# Write the tasks for another tool: just orchestrate dvc|prefect|airflow|dagster; --check: is it up to date?
[group('develop')]
[no-exit-message]
orchestrate tool *args: env
    @.venv/bin/python -m pipeline orchestrate "$@"

# Write the files of a new transformation: just new-transform add_trend
[group('develop')]
[no-exit-message]
new-transform name: env
    @.venv/bin/python -m pipeline new-transform "$@"

# Run the quick tests; or any that are named, in one process: just test tests/transforms -k rolling
[group('develop')]
test *args: dev-env
    @if [ $# = 0 ]; then {{pytest}} {{workers}} -m "not slow"; else {{pytest}} "$@"; fi

# Run all tests, also those marked slow; not those on clusters
[group('develop')]
test-all *args: dev-env
    @{{pytest}} {{workers}} "$@"

# Run the quick tests with the newest of everything, in .venv-latest; says which dependency breaks what
[group('develop')]
[no-exit-message]
test-latest *args: dev-env
    @.venv/bin/python -m tests.latest "$@"

# Run the tests of engine=spark on clusters of this machine, which needs Java
[group('develop')]
test-spark *args: dev-env spark-env
    .venv/bin/python -m pytest tests/engine/test_spark.py "$@"

# Check format, lint and types; changes nothing
[group('develop')]
check: dev-env
    .venv/bin/python -m ruff format --check .
    .venv/bin/python -m ruff check .
    .venv/bin/python -m basedpyright

# Format, and mend what lint can mend
[group('develop')]
fix: dev-env
    .venv/bin/python -m ruff format .
    .venv/bin/python -m ruff check --fix .

# What CI runs: check, quick tests, an audit, that nothing became slower, what is quick on clusters
[group('develop')]
ci: dev-env proofs test bench-check (test-spark "-m" "not slow")

[private]
[parallel]
proofs: check (audit "--profile" "ci")

# Time the pipeline beside its rivals: all tasks, or just bench everyday features --runs 5 --sizes 1,10
[group('bench')]
[no-exit-message]
bench *args: dev-env
    @.venv/bin/python -m benchmarks run "$@"

# Write the figures of the last bench into benchmarks/README.md, and draw them
[group('bench')]
bench-report: dev-env
    @.venv/bin/python -m benchmarks report

# Fail if something is slower, or reads or writes more, than was accepted
[group('bench')]
[no-exit-message]
bench-check: dev-env
    @.venv/bin/python -m benchmarks check

# Accept the figures of now: just bench-accept "why"
[group('bench')]
bench-accept reason: dev-env
    @.venv/bin/python -m benchmarks accept "$1"

# Count how often bench-check is wrong, in so many checks; takes an hour
[group('bench')]
bench-proof *checks: dev-env
    @.venv/bin/python -m benchmarks prove "$@"
