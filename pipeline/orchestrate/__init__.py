"""The coarse tasks of a project, written for what runs a team's jobs."""

FILES = {
    "dvc": "dvc.yaml",
    "prefect": "prefect_flow.py",
    "airflow": "airflow_dag.py",
    "dagster": "dagster_defs.py",
}
"""By tool, the file that is written where no other is named."""
