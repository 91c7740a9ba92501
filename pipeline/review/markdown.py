"""Write a review as Markdown that may stand in a comment on a pull request."""

import re
from collections.abc import Iterator, Sequence

from pipeline.errors import some
from pipeline.modeling.fit.amount import amount
from pipeline.review.figures import Judged, Speed
from pipeline.review.review import Changed, Check, Review
from pipeline.snapshots.diff.report import folded, listed, quoted, table, to_markdown
from pipeline.snapshots.uses import Use

MAX_BYTES = 64_000
"""GitHub takes 65,536 characters, also of what is put before them."""

_CUT = "\n\n_Cut here: a comment holds no more. `just diff` shows a snapshot whole._\n"

_HEAD = ("snapshot", "rows before", "after", "added", "removed", "changed", "columns")

_MAX_LISTED = 30
"""Lines of a list or table."""

_MAX_OPEN = 8
"""Lines of a list that is not folded."""

_MAX_LINE = 300
"""Characters of one."""

_MAX_WORDS = 10_000
"""Characters of all that says why nothing runs."""


def to_comment(found: Review) -> str:
    """Write a review within `MAX_BYTES`: whole sections, as many as there is room for.

    What does not come from here is code, so that nothing in it is read as Markdown.
    """
    text, room = "", MAX_BYTES - len(_CUT.encode())
    for section in filter(None, _sections(found)):
        longer = f"{text}\n\n{section}" if text else section
        if len(longer.encode()) > room:
            return text + _CUT
        text = longer
    return text + "\n"


def refusal(words: Sequence[str]) -> str:
    """Say that nothing runs, in the words of what a run ends with."""
    text = "\n\n".join(words)
    if len(text) > _MAX_WORDS:
        text = f"{text[:_MAX_WORDS]}…"
    fence = _fence(text, 3)
    return f"## This does not run\n\n{fence}text\n{text}\n{fence}"


def _sections(found: Review) -> Iterator[str]:
    """Write what there is to say, the most important first."""
    n, there = len(found.changed), [c for c in found.changed if c.after is not None]
    n_all = len(found.same) + len(there)
    against = " ".join(f"{word} {_line(name)}".strip() for word, name in found.against)
    if found.refused:
        yield refusal(found.refused)
        yield "What would change, were it published:"
    if not n and not found.checks:
        yield f"**No snapshot changes**: all {n_all} come out as {against} has them."
        return
    change = "changes" if n == 1 else "change"
    yield f"## {n} of {n_all} snapshots {change}\n\nAgainst {against}."
    yield _section("", _HEAD, _rows(found))
    yield _list("Why", map(_line, found.causes))
    failing = [_check(check) for check in found.checks if check.has_failures]
    head = ("snapshot", "check", "", "failures before", "after")
    yield _section("Checks that fail, or did", head, failing)
    yield _came_and_went(found.checks)
    broken = [use for use in found.uses if not use.is_sure]
    yield _list("Queries that cannot be planned any more", _queries(broken))
    sure = [use for use in found.uses if use.is_sure]
    yield _list("Queries that need what changes", _queries(sure))
    yield _models(found)
    yield _speed(found.speed)
    for changed in found.changed:
        if changed.diff is not None:
            yield to_markdown(changed.diff, changed.name).rstrip()


def _rows(found: Review) -> list[list[str]]:
    """Count the rows of the snapshots that change."""
    rows: list[list[str]] = []
    for c in found.changed:
        counts = [_count(c.before), _count(c.after)]
        if c.diff is not None:
            of = c.diff.rows
            counts += [_count(n) for n in (of.added, of.removed, of.changed)]
            counts.append(_columns(c))
        else:
            is_gone = "not there any more" if c.after is None else ""
            is_new = "new" if c.before is None else is_gone
            counts += [quoted(c.why_no_diff) if c.why_no_diff else is_new, "", "", ""]
        rows.append([quoted(c.name), *counts])
    return rows


def _columns(changed: Changed) -> str:
    """Count the columns that are not what they were; nothing if there are none."""
    if changed.diff is None:
        return ""
    schema = changed.diff.schema
    names = {c.name for c in changed.diff.columns if c.n_changed}
    n_renamed = len(schema.renamed)
    counts = {
        "added": len(schema.added) - n_renamed,
        "removed": len(schema.removed) - n_renamed,
        "renamed": n_renamed,
        "changed": len(names | {c.name for c in schema.changed}),
    }
    return ", ".join(f"{n:,} {how}" for how, n in counts.items() if n)


def _came_and_went(checks: Sequence[Check]) -> str:
    """Count the checks that only one side makes."""
    new = sum(c.before is None and not c.has_failures for c in checks)
    gone = sum(c.after is None for c in checks)
    return f"Checks: {new:,} new, {gone:,} not made any more." if new or gone else ""


def _check(check: Check) -> list[str]:
    """Say how many rows fail a check."""
    return [
        quoted(check.snapshot),
        quoted(check.name),
        check.severity,
        _count(check.before),
        _count(check.after),
    ]


def _queries(found: Sequence[Use]) -> Iterator[str]:
    """Name queries, and the columns that each needs, or that it needs rows alone."""
    by: dict[str, dict[str, list[str]]] = {}
    for use in found:
        of = by.setdefault(use.query, {})
        if use.snapshot:
            names = of.setdefault(use.snapshot, [])
            names += [quoted(use.column)] if use.column else []
    for query, of in by.items():
        needed = [
            f"{some(names) or 'the rows'} of {quoted(s)}" for s, names in of.items()
        ]
        yield ": ".join(filter(None, (quoted(query), "; ".join(needed))))


def _models(found: Review) -> str:
    """Say what follows for models."""
    if found.features is None:
        return ""
    said = (
        f"Models learn from {quoted(found.features)}, which changes: `just pipeline`"
        " trains and judges one of what comes now."
    )
    rows = [_judged(model) for model in found.models]
    head = ("model", "learned from", "error", "95 % interval")
    return "\n\n".join(filter(None, ("### Models", said, table(head, rows))))


def _judged(model: Judged) -> list[str]:
    """Write a model's error."""
    value, lower, upper = (
        amount(x, model.unit) for x in (model.value, model.lower, model.upper)
    )
    version = "" if model.version is None else f" version {model.version}"
    return [
        f"{quoted(model.model)}{version}{', the champion' * model.is_champion}",
        "the new rows" if model.is_of_these else "rows of before",
        f"{quoted(model.metric)} {value}",
        f"{lower} to {upper}",
    ]


def _speed(found: Sequence[Speed]) -> str:
    """Name the figures that are notably slower than what was accepted."""
    if not found:
        return ""
    slower = [s for s in found if s.is_slower]
    rows = [
        [quoted(s.name), quoted(s.reference), f"{s.accepted:.3g}", f"{s.measured:.3g}"]
        for s in slower
    ]
    if not rows:
        return f"### Speed\n\n{len(found)} figures, none slower than was accepted."
    head = ("figure", "over", "accepted", "measured")
    return _section(f"Speed: {len(slower)} of {len(found)} figures slower", head, rows)


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table, and say how much of it is not shown."""
    return _below(title, table(head, rows[:_MAX_LISTED]), len(rows))


def _list(title: str, items: Iterator[str]) -> str:
    """Write a list, a long one folded, and say how much of it is not shown."""
    lines = [*items]
    body = listed(lines[:_MAX_LISTED])
    if len(lines) > _MAX_OPEN:
        body = folded(f"{len(lines):,}", body)
    return _below(title, body, len(lines))


def _below(title: str, body: str, n: int) -> str:
    """Put a title above a list or table, if there is any."""
    head = f"### {title}" if title else ""
    rest = f"and {n - _MAX_LISTED:,} more" if n > _MAX_LISTED else ""
    return "\n\n".join(filter(None, (head, body, rest))) if body else ""


def _count(n: int | None) -> str:
    """Write a number; a dash where there is none."""
    return "-" if n is None else f"{n:,}"


def _line(text: str) -> str:
    """Quote a text as code in one line, shortened; not for tables."""
    line = " ".join(text.split())
    line = line if len(line) <= _MAX_LINE else f"{line[: _MAX_LINE - 1]}…"
    fence = _fence(line)
    blank = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{blank}{line}{blank}{fence}"


def _fence(text: str, least: int = 1) -> str:
    """Make a fence for code that is longer than any within."""
    return "`" * max(least, *(len(run) + 1 for run in re.findall("`+", text)), 1)
