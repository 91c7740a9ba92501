-- question: How many rows did each stage leave in the last runs?
-- param: n_runs INTEGER = 2 -- runs shown, the latest first

-- kept_pct compares with the stage's first input; change with the same stage in the run
-- before, whatever its source and settings.
WITH stages AS (
    SELECT
        run_id,
        started_at,
        position,
        stage,
        inputs[1] AS input,
        n_rows,
        n_columns,
        n_rows - lag(n_rows) OVER (
            PARTITION BY stage ORDER BY started_at, run_id
        ) AS change
    FROM meta.stages
    INNER JOIN meta.runs USING (run_id)
    QUALIFY dense_rank() OVER (ORDER BY started_at DESC, run_id DESC) <= $n_runs
)

SELECT
    stages.run_id,
    stages.stage,
    stages.input,
    stages.n_rows,
    stages.n_columns,
    round(100 * stages.n_rows / nullif(inputs.n_rows, 0), 2) AS kept_pct,
    stages.change
FROM stages
LEFT JOIN stages AS inputs
    ON stages.run_id = inputs.run_id AND stages.input = inputs.stage
ORDER BY stages.started_at DESC, stages.run_id DESC, stages.position
