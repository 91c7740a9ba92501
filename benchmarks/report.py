"""``just bench-report`` writes the newest figures into README.md, and draws them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import altair as alt
import click
import msgspec
import polars as pl
import vl_convert

from benchmarks.bench import COMMANDS, CONTENDERS, FEATURES, ORIGIN, TRANSFORMS
from benchmarks.keep import RESULTS, SCALE_RESULTS
from benchmarks.records import BenchmarkFigure, BenchmarkRecord, Spread
from benchmarks.scale import SCALE

README = Path(__file__).with_name("README.md")
CHART = Path(__file__).with_name("speed.svg")
SCALE_CHART = Path(__file__).with_name("scale.svg")
BEGIN_SCALE = "<!-- written by just bench-report from bench-scale -->"
END_SCALE = "<!-- until here, scale -->"
BEGIN, END = "<!-- written by just bench-report -->", "<!-- until here -->"
PADDING: dict[str, float] = {"left": 5, "top": 5, "right": 60, "bottom": 5}
"""The writer takes the legend's text for narrower than it is."""

MEASURES = {"cpu_s": "CPU seconds", "peak_mib": "MiB"}
NAMES = {**CONTENDERS, ORIGIN: "the origin's group-by-apply, on a part, scaled"}


def report() -> None:
    """Write both."""
    record, scale = kept(RESULTS), kept(SCALE_RESULTS)
    README.write_text(written(README.read_text(), record, scale))
    CHART.write_text(draw(FEATURES, "cpu_s", record.figures))
    SCALE_CHART.write_text(draw(SCALE, "peak_mib", scale.figures))
    click.echo("README.md and the charts of benchmarks/ are written")


def kept(file: Path) -> BenchmarkRecord:
    """Read the newest figures."""
    return msgspec.json.decode(file.read_bytes(), type=BenchmarkRecord)


def written(text: str, record: BenchmarkRecord, scale: BenchmarkRecord) -> str:
    """Put the tables where a text has marks for them."""
    text = _between(text, BEGIN, END, section(record))
    return _between(text, BEGIN_SCALE, END_SCALE, scale_section(scale))


def _between(text: str, begin: str, end: str, lines: Iterable[str]) -> str:
    """Replace what stands between two marks."""
    head, _, rest = text.partition(f"{begin}\n")
    _, _, tail = rest.partition(end)
    return "".join([head, begin, "\n", *lines, end, tail])


def scale_section(record: BenchmarkRecord) -> Iterator[str]:
    """Write the tables of ``just bench-scale``, in Markdown."""
    yield (
        f"\nOn {record.machine['cores']} shared cores, {record.measured_at:%d %B %Y}."
        " Memory is that of all processes together.\n"
    )
    for n_rows in sorted({f.n_rows for f in record.figures}):
        yield from _table(
            f"whole run, {n_rows:,} rows",
            (f for f in record.figures if f.n_rows == n_rows),
        )
    yield f"\n![Memory by rows]({SCALE_CHART.name})\n\n"


def section(record: BenchmarkRecord) -> Iterator[str]:
    """Write the tables, in Markdown."""
    figures = record.figures
    n_runs = max(figure.n_runs for figure in figures)
    machine = record.machine
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    yield (
        f"\nMedians of {n_runs} interleaved runs on {record.measured_at:%d %B %Y}, on"
        f" {machine['cores']} shared cores ({machine['processor']}), with {versions}."
        " In brackets: least and largest. Ratios are taken within each round, and"
        " steadier than the seconds, which drift with the host.\n"
    )
    for n_rows in sorted({f.n_rows for f in figures if f.task == FEATURES}):
        yield from _table(
            f"CSV to `features`, {n_rows:,} rows",
            (f for f in figures if f.task == FEATURES and f.n_rows == n_rows),
        )
    yield f"\n![CPU seconds by rows]({CHART.name})\n"
    yield from _table(
        "whole commands, 1,081,672 rows", (f for f in figures if f.task == COMMANDS)
    )
    yield "\n| one transformation, a part of the rows, one thread | Polars, CPU s"
    yield " | pandas, CPU s | x |\n"
    yield "|---|--:|--:|--:|\n"
    of_task: dict[str, dict[str, BenchmarkFigure]] = {}
    for figure in figures:
        if figure.task.startswith(TRANSFORMS):
            of_task.setdefault(figure.task, {})[figure.contender] = figure
    for task, both in of_task.items():
        name = task.removeprefix(f"{TRANSFORMS}: ")
        ours, twin = (_cell(both[who].cpu_s, 3) for who in ("polars", "pandas"))
        yield f"| `{name}` | {ours} | {twin} | {both['pandas'].cpu_x:.2f} |\n"
    yield "\n"


def _table(title: str, figures: Iterable[BenchmarkFigure]) -> Iterator[str]:
    """Write a table of contenders."""
    yield f"\n| {title} | CPU s | wall s | peak MiB | CPU x | wall x |\n"
    yield "|---|--:|--:|--:|--:|--:|\n"
    for figure in figures:
        cells = [
            NAMES.get(figure.contender, figure.contender),
            _cell(figure.cpu_s, 2),
            _cell(figure.wall_s, 2),
            _cell(figure.peak_mib, 0),
            *(f"{x:,.2f}" if x else "" for x in (figure.cpu_x, figure.wall_x)),
        ]
        yield f"| {' | '.join(cells)} |\n"


def _cell(spread: Spread | None, digits: int) -> str:
    """Write a median, with least and largest where they differ."""
    if spread is None:
        return ""
    middle, low, high = (
        f"{value:,.{digits}f}" for value in (spread.median, spread.low, spread.high)
    )
    return middle if low == high else f"{middle} [{low}, {high}]"


def draw(task: str, measure: str, figures: Iterable[BenchmarkFigure]) -> str:
    """Draw CPU seconds or memory by rows, a line per contender, as SVG."""
    rows = [
        {
            "contender": NAMES.get(f.contender, f.contender).partition(",")[0],
            "rows": f.n_rows,
            "value": spread.median,
            "low": spread.low,
            "high": spread.high,
        }
        for f in figures
        for spread in [getattr(f, measure)]
        if f.task == task and spread
    ]
    df = pl.DataFrame(rows)
    x = alt.X(
        "rows:Q",
        title="rows",
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(values=df["rows"].unique().sort().to_list(), format=",d"),
    )
    legend = alt.Legend(labelLimit=300)
    base = alt.Chart(df).encode(
        x, color=alt.Color("contender:N", title=None, sort=None, legend=legend)
    )
    scale = alt.Scale(type="log")
    axis = alt.Axis(values=[10.0**power for power in range(-2, 6)])
    spread = base.mark_rule().encode(
        alt.Y("low:Q", title=MEASURES[measure], scale=scale, axis=axis),
        alt.Y2("high:Q"),
    )
    lines = base.mark_line(point=True).encode(alt.Y("value:Q", scale=scale, axis=axis))
    chart = (spread + lines).properties(
        width=460,
        height=300,
        title=f"{task}: {MEASURES[measure]} by rows",
        padding=PADDING,
    )
    return vl_convert.vegalite_to_svg(chart.to_dict())
