"""The one keeper of paths below ``.pipeline/``: nothing is written elsewhere."""

from pathlib import Path

CATALOG = "snapshots.duckdb"


class State:
    """Where the state of a project lies; nothing is made."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = folder = root / ".pipeline"
        self.lock = folder / "lock"
        self.stamp = folder / "stamp.json"
        self.catalog = folder / CATALOG
        """A link to the DuckDB file users open, which is in `catalogs`."""
        self.catalogs = folder / "catalogs"
        """The linked one, and older ones that are still read."""
        self.runs = folder / "runs"
        """One record per run."""
        self.variants = folder / "variants"
        """One record per variant."""
        self.objects = folder / "objects"
        """One folder per snapshot."""
        self.meta = folder / "meta"
        """Rows that others than runs have for the catalog's tables."""
        self.failed = folder / "failed"
        """Rows that broke a contract, of the last run that did."""
        self.logs = folder / "logs"
        """One file of JSON lines per run, also of those that failed."""
        self.staging = folder / "staging"
        """Where a run writes before it is published."""
        self.parts = folder / "parts"
        """What a run that is computed part by part has finished so far."""
        self.parts_elsewhere = folder / "parts.txt"
        """Where runs have left parts, if not there."""
        self.data = folder / "data"
        """Files of sources that were fetched or made up."""
        self.models = folder / "models"
        """A folder per trained model."""
        self.forecasts = folder / "forecasts"
        """A folder per forecast, until its periods have come and after."""
        self.steps = folder / "steps"
        """Features of several steps ahead, by what they are made of."""
        self.audits = folder / "audits"
        """What is known of leaks, by what features are made of."""
        self.studies = folder / "studies"
        """A journal per search for parameters."""
        self.mlflow = folder / "mlflow"
        self.artifacts = self.mlflow / "artifacts"
        self.outcomes = folder / "outcomes"
        """What came of each task the last time."""
        self.docs = folder / "docs"
        """The pages that `just docs` writes."""
        self.memo = folder / "memo"
        """What was worked out of configuration and code alone, by their content."""
        self.benchmarks = folder / "benchmarks"
        """One record per run of ``just bench``."""

    def object(self, snapshot: str, fingerprint: str) -> Path:
        """Name the Parquet file of an object."""
        return self.objects / snapshot / f"{fingerprint[:16]}.parquet"
