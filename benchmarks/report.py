"""``just bench-report`` writes the newest figures into README.md, and draws them."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import altair as alt
import click
import polars as pl
import vl_convert

from benchmarks import features, samplers, scale
from benchmarks.bench import TASKS
from benchmarks.keep import read
from benchmarks.records import BenchmarkFigure, BenchmarkRecord, Spread

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- written by just bench-report -->", "<!-- until here -->"
CHARTS = {
    "features": (features.FEATURES, "cpu_s", "speed.svg"),
    "scale": (scale.SCALE, "peak_mib", "scale.svg"),
}
"""What is drawn by rows, of which measure, into which file."""

PADDING: dict[str, float] = {"left": 5, "top": 5, "right": 60, "bottom": 5}
"""The writer takes the legend's text for narrower than it is."""

MEASURES = {"cpu_s": "CPU seconds", "peak_mib": "MiB"}


def report() -> None:
    """Write both."""
    records = newest()
    README.write_text(written(README.read_text(), records))
    for name, (task, measure, file) in CHARTS.items():
        if record := records.get(name):
            README.with_name(file).write_text(draw(task, measure, record.figures))
    click.echo("README.md and the charts of benchmarks/ are written")


def newest() -> dict[str, BenchmarkRecord]:
    """Read the newest figures of each task that was measured."""
    return {task: record for task in TASKS if (record := read(task))}


def written(text: str, records: Mapping[str, BenchmarkRecord]) -> str:
    """Put the tables where a text has marks for them."""
    head, _, rest = text.partition(f"{BEGIN}\n")
    _, _, tail = rest.partition(END)
    lines = (line for name, record in records.items() for line in section(name, record))
    return "".join([head, BEGIN, "\n", *lines, "\n", END, tail])


def section(name: str, record: BenchmarkRecord) -> Iterator[str]:
    """Write the tables of a task, in Markdown."""
    machine, figures = record.machine, record.figures
    n_runs = max(figure.n_runs for figure in figures)
    libraries = ", ".join(f"{of} {number}" for of, number in record.versions.items())
    measured = "Measured once" if n_runs == 1 else f"Medians of {n_runs} runs"
    yield f"\n## {TASKS[name].heading}\n"
    yield (
        f"\n`just bench {name}`. {measured}, {record.measured_at:%d %B %Y},"
        f" {machine['cores']} shared cores ({machine['processor']}), {libraries}.\n"
    )
    if figures[0].task.startswith(samplers.TRANSFORMS):
        yield from _twins(figures)
    else:
        for (task, n_rows), rows in groupby(figures, lambda f: (f.task, f.n_rows)):
            yield from _table(f"{task}, {n_rows:,} rows", rows)
    if name in CHARTS:
        _, measure, file = CHARTS[name]
        yield f"\n![{MEASURES[measure]} by rows]({file})\n"


def _twins(figures: Iterable[BenchmarkFigure]) -> Iterator[str]:
    """Write a table of transformations beside their twins."""
    yield "\n| one transformation, a part of the rows, one thread | Polars, CPU s"
    yield " | pandas, CPU s | x |\n"
    yield "|---|--:|--:|--:|\n"
    for task, both in groupby(figures, lambda figure: figure.task):
        ours, twin = both
        cells = (_cell(ours.cpu_s, 3), _cell(twin.cpu_s, 3), f"{twin.cpu_x:.2f}")
        name = task.removeprefix(f"{samplers.TRANSFORMS}: ")
        yield f"| `{name}` | {' | '.join(cells)} |\n"


def _table(title: str, figures: Iterable[BenchmarkFigure]) -> Iterator[str]:
    """Write a table of contenders."""
    yield f"\n| {title} | CPU s | wall s | peak MiB | CPU x | wall x |\n"
    yield "|---|--:|--:|--:|--:|--:|\n"
    for figure in figures:
        small = figure.cpu_s is not None and figure.cpu_s.median < 1
        cells = [
            features.NAMES.get(figure.contender, figure.contender),
            _cell(figure.cpu_s, 3 if small else 2),
            _cell(figure.wall_s, 3 if small else 2),
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
            "contender": features.NAMES.get(f.contender, f.contender).partition(",")[0],
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
