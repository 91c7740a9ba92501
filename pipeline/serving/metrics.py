"""What a server counts, as Prometheus reads it."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_COUNTERS = {
    "pipeline_predictions_total": "Predictions that were given.",
    "pipeline_rows_without_prediction_total": (
        "Rows whose entity is too rare, or has no recent past."
    ),
    "pipeline_rows_refused_total": "Rows that could not be read.",
    "pipeline_requests_refused_total": "Requests whose rows could not be used.",
    "pipeline_requests_with_drift_total": (
        "Requests whose features are not as in the rows that were learned from."
    ),
    "pipeline_requests_with_all_rows_total": (
        "Requests that needed the plan of all rows of the panel."
    ),
    "pipeline_champions_taken_over_total": "New champions.",
    "pipeline_champions_not_loaded_total": (
        "Champions that are gone, or could not be loaded: the one before goes on."
    ),
}


class Metrics:
    """The figures of one server since it started."""

    def __init__(self) -> None:
        self._counts = Counter(dict.fromkeys(_COUNTERS, 0))
        self._requests = Counter[tuple[str, int]]()
        self._times: dict[str, Counter[int]] = {}
        self._seconds = Counter[str]()
        self.n_at_work = 0
        """Requests that are being answered."""

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter, of which the first part of the name is left out."""
        self._counts[f"pipeline_{name}_total"] += n

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests[path, status] += 1
        self._times.setdefault(path, Counter())[bisect_left(_BOUNDS_S, seconds)] += 1
        self._seconds[path] += seconds  # pyright: ignore[reportArgumentType]: a float

    def written(self, version: str | None, n_processes: int) -> str:
        """Write all figures."""
        return "".join(f"{line}\n" for line in self._lines(version, n_processes))

    def _lines(self, version: str | None, n_processes: int) -> Iterator[str]:
        yield from _head("pipeline_champion", "gauge", "The version that answers.")
        if version is not None:
            yield f"pipeline_champion{_labels(version=version)} 1"
        yield from _head("pipeline_processes", "gauge", "Processes that hold it.")
        yield f"pipeline_processes {n_processes}"
        name = "pipeline_requests_at_work"
        yield from _head(name, "gauge", "Requests that are being answered.")
        yield f"{name} {self.n_at_work}"
        for name, text in _COUNTERS.items():
            yield from _head(name, "counter", text)
            yield f"{name} {self._counts[name]}"
        name = "pipeline_requests_total"
        yield from _head(name, "counter", "Requests, by path and status.")
        for (path, status), n in sorted(self._requests.items()):
            yield f"{name}{_labels(path=path, status=status)} {n}"
        name = "pipeline_request_seconds"
        yield from _head(name, "histogram", "From the first byte to the last.")
        for path, counts in sorted(self._times.items()):
            n = 0
            for i, bound in enumerate(_BOUNDS_S):
                n += counts[i]
                yield f"{name}_bucket{_labels(path=path, le=bound)} {n}"
            n += counts[len(_BOUNDS_S)]
            yield f"{name}_bucket{_labels(path=path, le='+Inf')} {n}"
            yield f"{name}_sum{_labels(path=path)} {self._seconds[path]}"
            yield f"{name}_count{_labels(path=path)} {n}"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    """Say what a metric is."""
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _labels(**values: object) -> str:
    """Write labels."""
    escaped = {
        name: str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        for name, value in values.items()
    }
    inner = ",".join(f'{name}="{value}"' for name, value in escaped.items())
    return f"{{{inner}}}"
