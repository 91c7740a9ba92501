"""The page of the model: the champion, what it was chosen over, and how it fares."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup

from pipeline.files.checksum import read_sealed
from pipeline.modeling.fit.amount import amount
from pipeline.pages import charts
from pipeline.pages.charts import Bar, Line
from pipeline.pages.facts import Facts
from pipeline.pages.names import MODEL, slug
from pipeline.pages.numbers import NONE, percent
from pipeline.pages.site import Found, Page

CHAMPION = "champion"

_N_JUDGED = 5
"""Of trained models, the newest that are shown beside baselines."""

_N_DRIFTED = 20
"""Of features that have not drifted, the most important that are shown."""

_OTHERS = {
    "wape": "WAPE",
    "r2": "R²",
    "bias": "Bias",
    "coverage": "Coverage",
    "mase": "MASE",
}
"""Further figures of candidates, as they stand in a head."""


class _Leak(msgspec.Struct, frozen=True):
    """A feature that differs where it must not."""

    column: str
    check: str
    n_values: int


class _Audit(msgspec.Struct, frozen=True):
    """What an audit has left: those of modelling are read without importing that."""

    leaks: list[_Leak]
    features: list[str]
    times: list[int | str]
    n_values: int
    of_names: list[str] = []
    part: float = 1
    unseen: list[str] = []


class _AuditRecord(msgspec.Struct, frozen=True):
    """An audit in its file."""

    audit: _Audit


@dataclass(frozen=True)
class Candidate:
    """A model on the rows that it was judged on, or a baseline on the same rows."""

    name: str
    is_model: bool
    error: str
    ends: str
    """Of the 95 % interval."""
    bar: Bar | None
    others: Mapping[str, str]
    difference: str
    """The error of the model less that of this baseline, and its interval."""


@dataclass(frozen=True)
class Judged:
    """A trained model beside its baselines."""

    model: Mapping[str, Any]
    """Its row of ``meta.models``."""
    metric: str
    test: str
    """The periods that judged it."""
    n_rows: int
    candidates: Sequence[Candidate]
    others: Sequence[str]


@dataclass(frozen=True)
class Scored:
    """A forecast whose period has come."""

    period: str
    version: int
    step: int
    n_rows: int
    error: str
    best: str
    """The best baseline and its error."""
    bias: str
    coverage: str
    n_not_come: int
    n_not_forecast: int


def model(facts: Facts) -> Iterator[Page]:
    """Make the page, and a copy of the champion's card."""
    models = sorted(
        facts.meta("models"), key=lambda m: (m["created_at"], m["fingerprint"])
    )[::-1]
    champions = [m for m in models if CHAMPION in (m["aliases"] or ())]
    cards = [*_cards(facts, champions or _newest(facts, models))]
    drift = sorted(
        facts.meta("drift"),
        key=lambda r: (not r["is_drifted"], -(r["importance"] or 0)),
    )
    n_shown = sum(r["is_drifted"] for r in drift) + _N_DRIFTED
    values = {
        "champions": champions,
        "cards": {page.values["of"]: page.path for page in cards},
        "judged": list(_judged(facts, models)),
        "promotions": _promotions(facts, models),
        "refused": _refused(facts),
        "scored": list(_scored(facts)),
        "errors": list(_errors(facts)),
        "drift": [(r, _bar(r["importance"])) for r in drift[:n_shown]],
        "n_drifted": sum(r["is_drifted"] for r in drift),
        "n_features": len(drift),
        "audit": _audit(facts),
        "is_modeled": "modeling" in facts.run.config or _has_modeling(facts.root),
        "spans": {m["fingerprint"]: _spans(m) for m in champions},
    }
    names = [Found("page", "Model")]
    names += [Found("page", m["name"], "champion") for m in champions]
    yield Page(MODEL, "Model", "model", values, names)
    yield from cards


def _newest(
    facts: Facts, models: Iterable[Mapping[str, Any]]
) -> Iterable[Mapping[str, Any]]:
    """Take the newest of each model that has been judged, of models newest first."""
    judged = {row["fingerprint"] for row in facts.meta("evaluations")}
    found: dict[str, Mapping[str, Any]] = {}
    for m in models:
        if m["fingerprint"] in judged:
            found.setdefault(m["model"], m)
    return found.values()


def _refused(facts: Facts) -> Mapping[str, Any] | None:
    """Find the newest decision on a version, if that was refused."""
    rows = facts.meta("promotions")
    newest = max(rows, key=lambda row: row["decided_at"], default=None)
    return newest if newest and not newest["is_champion"] else None


def _has_modeling(root: Path) -> bool:
    """Tell whether a project says what to learn."""
    return (root / "configs" / "modeling.yaml").is_file()


def _cards(facts: Facts, models: Iterable[Mapping[str, Any]]) -> Iterator[Page]:
    """Copy the cards of models: each is a whole page, that names no other file."""
    for m in models:
        folder = facts.store.models / m["model"] / m["fingerprint"][:16]
        try:
            card = (folder / "evaluation" / "card.html").read_text(encoding="utf-8")
        except (OSError, UnicodeError):
            continue
        of = m["version"] or m["fingerprint"][:8]
        path = f"cards/{slug(m['name'] or m['model'])}-{of}.html"
        # It was written by a template that has escaped all texts.
        values = {"text": Markup(card), "of": m["fingerprint"]}
        yield Page(
            path, f"Card of {m['name'] or m['model']}", "as_it_is", values, (), MODEL
        )


def _judged(facts: Facts, models: Iterable[Mapping[str, Any]]) -> Iterator[Judged]:
    """Show the newest models that have been judged, beside their baselines.

    Champions come first, then those that err least.
    """
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in facts.meta("evaluations"):
        rows.setdefault(row["fingerprint"], []).append(row)
    differences = {
        (row["fingerprint"], row["reference"]): row for row in facts.meta("comparisons")
    }
    there = [m for m in models if m["fingerprint"] in rows]
    there.sort(key=lambda m: CHAMPION not in (m["aliases"] or ()))

    def rank(m: Mapping[str, Any]) -> tuple[Any, ...]:
        of = (m["model"], m["metric"])
        own = (r["value"] for r in rows[m["fingerprint"]] if _cell(r) == of)
        error = next(own, None)
        is_champion = CHAMPION in (m["aliases"] or ())
        return not is_champion, m["target"], m["metric"], error is None, error or 0

    for m in sorted(there[:_N_JUDGED], key=rank):
        yield _beside_baselines(m, rows[m["fingerprint"]], differences)


def _cell(row: Mapping[str, Any]) -> tuple[str, str]:
    """Tell which model and metric a figure is of."""
    return row["model"], row["metric"]


def _beside_baselines(
    m: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    differences: Mapping[tuple[str, str], Mapping[str, Any]],
) -> Judged:
    """Set a model beside its baselines, the smallest error first."""
    metric, unit = m["metric"], m["unit"] or ""
    cells = {_cell(row): row for row in rows}
    own = sorted(
        (row for row in rows if row["metric"] == metric and row["value"] is not None),
        key=lambda row: (row["value"], row["model"]),
    )
    bars = charts.bars([(row["value"], row["lower"], row["upper"]) for row in own])
    others = [name for name in _OTHERS if any((r["model"], name) in cells for r in own)]
    candidates = [
        Candidate(
            row["model"],
            row["model"] == m["model"],
            amount(row["value"], unit),
            _ends(row, unit),
            bar,
            {
                name: _figure(name, cells.get((row["model"], name), {}).get("value"))
                for name in others
            },
            _difference(differences.get((m["fingerprint"], row["model"])), unit),
        )
        for row, bar in zip(own, bars, strict=True)
    ]
    test = " to ".join(dict.fromkeys(_spans(m).get("test", ())))
    heads = [_OTHERS[name] for name in others]
    n_rows = own[0]["n_rows"] if own else 0
    return Judged(m, metric.upper(), test, n_rows, candidates, heads)


def _spans(m: Mapping[str, Any]) -> dict[str, list[str]]:
    """Read the first and the last period of what a model learned from, and the like."""
    return json.loads(m["spans"] or "{}")


def _ends(row: Mapping[str, Any], unit: str) -> str:
    """Write the ends of an interval; nothing where there is none."""
    if row["lower"] is None or row["upper"] is None:
        return ""
    return f"{amount(row['lower'], unit)} to {amount(row['upper'], unit)}"


def _difference(row: Mapping[str, Any] | None, unit: str) -> str:
    """Write by how much a model errs less or more than a baseline."""
    if row is None or row["difference"] is None:
        return ""
    text = amount(row["difference"], unit, "+")
    ends = _ends(row, unit)
    return f"{text} ({ends})" if ends else text


def _figure(metric: str, value: float | None) -> str:
    """Write a figure that has no unit."""
    if value is None:
        return NONE
    if metric in ("r2", "mase"):
        return f"{value:.3f}"
    return f"{value:+.1%}" if metric == "bias" else f"{value:.1%}"


def _promotions(
    facts: Facts, models: Iterable[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], str]]:
    """List what was decided of versions, the newest first, with the kind of model."""
    kinds = {m["fingerprint"]: m["model"] for m in models}
    rows = sorted(
        facts.meta("promotions"), key=lambda row: (row["decided_at"], row["version"])
    )
    return [(row, kinds.get(row["fingerprint"], "")) for row in rows[::-1]]


def _overall(facts: Facts) -> list[dict[str, Any]]:
    """List the scores of whole forecasts, in the order of their periods."""
    return sorted(
        facts.meta("forecast_scores"),
        key=lambda row: (
            len(row["period"]),  # 9 comes before 10
            *(row[name] for name in ("period", "version", "step")),
        ),
    )


def _metric_of(facts: Facts, name: str) -> str:
    """Name the metric that a registered model is compared by."""
    return next((m["metric"] for m in facts.meta("models") if m["name"] == name), "mae")


def _scored(facts: Facts) -> Iterator[Scored]:
    """Show what became of forecasts, the newest period first."""
    rows = _overall(facts)
    best: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in rows:
        metric, of = _metric_of(facts, row["name"]), _forecast_of(row)
        if row["is_baseline"] and row[metric] is not None:
            best[of] = min(best.get(of, row), row, key=lambda r: r[metric])
    for row in reversed(rows):
        if row["is_baseline"]:
            continue
        metric, unit = _metric_of(facts, row["name"]), row["unit"] or ""
        beside = best.get(_forecast_of(row))
        nominal = row["nominal_coverage"]
        covered = percent(row["coverage"])
        yield Scored(
            row["period"],
            row["version"],
            row["step"],
            row["n_rows"],
            f"{metric.upper()} {amount(row[metric], unit)}",
            f"{beside['model']}, {amount(beside[metric], unit)}" if beside else NONE,
            NONE if row["bias"] is None else f"{row['bias']:+.1%}",
            covered if nominal is None else f"{covered} of {percent(nominal)} meant",
            row["n_not_come"],
            row["n_not_forecast"],
        )


def _forecast_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Tell what a score is of."""
    return row["name"], row["period"], row["version"], row["step"]


def _errors(facts: Facts) -> Iterator[tuple[str, Line]]:
    """Draw the errors of each registered model's forecasts, by step, over periods."""
    points: dict[tuple[str, int], list[tuple[str, float | None]]] = {}
    for row in _overall(facts):
        if not row["is_baseline"]:
            of = points.setdefault((row["name"], row["step"]), [])
            of.append((row["period"], row[_metric_of(facts, row["name"])]))
    several = len({step for _, step in points}) > 1
    for (name, step), of in points.items():
        drawn = charts.line(of) if len(of) > 1 else None
        if drawn:
            yield f"{name}, {step} ahead" if several else name, drawn


def _bar(share: float | None) -> Bar | None:
    """Draw a part of the whole."""
    return charts.bars([(share, None, None), (1.0, None, None)])[0]


def _audit(facts: Facts) -> _Audit | None:
    """Read the newest audit that was kept: what it looked at, and what it found."""
    files = sorted(
        facts.store.audits.glob("*.json"), key=lambda path: (path.stat().st_mtime, path)
    )
    found = read_sealed(files[-1], _AuditRecord) if files else None
    return found.audit if found else None
