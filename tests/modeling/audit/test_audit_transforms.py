"""Every transformation passes if it uses the past, and is found if told its period."""

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from pipeline.modeling.audit.audit import UNSEEN, audit, describe_audit
from pipeline.modeling.audit.worlds import ROWS
from pipeline.modeling.settings import load_modeling
from tests.conftest import PROJECT
from tests.modeling.shops import MODELING
from tests.transforms.panels import PER_PERIOD, SETTINGS

SALES = {"snapshot": "sales", "key": ["shop", "week"]}
STAGES: Mapping[str, Any] = {
    "sanitize_column_names": {},
    "to_period": {},
    "aggregate": SALES,
    "lag_columns": {},
}
OF_WEEKS: Mapping[str, Any] = {
    "keys": ["shop", "kind", "week"],
    "time": "day",
    "columns": {"sold": "sum", "visits": "sum", "day": "last"},
}
SECTIONS: Mapping[str, Any] = {
    "source": {"use": "csv", "path": "data.csv"},
    "columns": {
        **dict.fromkeys(("shop", "kind"), "label"),
        **dict.fromkeys(("sold", "visits"), "number"),
        "day": "date",
    },
    "panel": {
        "time": "week",
        "every": "1w",
        "entity": ["shop"],
        "target": "sold",
        "values": ["sold"],
        "known": ["kind"],
    },
    "to_period": {"time": "day"},
    "aggregate": OF_WEEKS,
}
OPEN = {"drop_present": {"columns": ["sold", "visits", "day"]}}
"""Lets all through but what is of its period by itself."""
DROPPED = "drop_present.columns=[sold, visits, day]"
"""The same, in words."""

BY_KIND = {"keys": ["kind", "week"], "columns": {"sold": ["mean"]}}


class Case(NamedTuple):
    """A use of a transformation that is sound, and one that leaks."""

    stages: Mapping[str, Any]
    """Instead of those of `STAGES`, and after them."""
    settings: Mapping[str, Any]
    told: Sequence[str]
    """By these it knows its own period."""
    sound: str
    """What it makes of the past."""
    leaks: str


CASES: Mapping[str, Case] = {
    "lag_columns": Case(
        {},
        {},
        ["lag_columns.keys=[kind]", "lag_columns.by=row"],
        "sold_lag1",
        "sold_lag1",
    ),
    "rolling_columns": Case(
        {"rolling_columns": {}},
        {"rolling_columns": {"drop_nulls": False}},
        ["rolling_columns.keys=[kind]", "rolling_columns.by=row"],
        "sold_rolling2",
        "sold_rolling2",
    ),
    "change": Case(
        {"change": {}},
        {"change": {"functions": ["difference"]}},
        ["change.lag=0", DROPPED],
        "sold_difference1_lag1",
        "sold_difference1",
    ),
    "ewm": Case({"ewm": {}}, {}, ["ewm.lag=0", DROPPED], "sold_ewm_lag1", "sold_ewm"),
    "expanding": Case(
        {"expanding": {}},
        {"expanding": {"keys": ["kind"]}},
        ["expanding.lag=0", DROPPED],
        "sold_expanding_mean_lag1",
        "sold_expanding_mean",
    ),
    "join_past": Case(
        {
            "of_kind": {"transform": "aggregate", "inputs": ["aggregate"]},
            "join_past": {"inputs": ["lag_columns", "of_kind"]},
        },
        {"of_kind": BY_KIND, "join_past": {"keys": ["kind"], "columns": ["sold_mean"]}},
        ["join_past.lag=0", DROPPED],
        "sold_mean_lag1",
        "sold_mean",
    ),
    "join": Case(
        {
            "of_kind": {"transform": "aggregate", "inputs": ["aggregate"]},
            "expanding": {},
            "join": {"inputs": ["lag_columns", "expanding"]},
        },
        {
            **OPEN,
            "of_kind": BY_KIND,
            "expanding": {"keys": ["kind"], "columns": ["sold_mean"]},
            "join": {
                "keys": ["kind", "week"],
                "columns": ["sold_mean_expanding_mean_lag1"],
            },
        },
        ["join.columns=[sold_mean]"],
        "sold_mean_expanding_mean_lag1",
        "sold_mean",
    ),
    "aggregate": Case(
        {
            "of_kind": {"transform": "aggregate", "inputs": ["aggregate"]},
            "ewm": {},
            "join": {"inputs": ["lag_columns", "ewm"]},
        },
        {
            **OPEN,
            "of_kind": BY_KIND,
            "ewm": {"keys": ["kind"], "columns": ["sold_mean"]},
            "join": {"keys": ["kind", "week"], "columns": ["sold_mean_ewm_lag1"]},
        },
        [
            "of_kind.keys=[kind]",
            "stages.ewm=null",
            "stages.join.inputs=[lag_columns, of_kind]",
            "join={keys: [kind], columns: [sold_mean]}",
        ],
        "sold_mean_ewm_lag1",
        "sold_mean",
    ),
    "derive": Case(
        {"derive": {}},
        {"derive": {"columns": {"twice": "2 * sold_lag1"}}},
        ["derive.columns={twice: 2 * sold}", DROPPED],
        "twice",
        "twice",
    ),
    "calendar_columns": Case(
        {"calendar_columns": {}},
        {**OPEN, "calendar_columns": {"parts": ["weekday"]}},
        ["calendar_columns.time=day"],
        "weekday",
        "weekday",
    ),
    # Of a table that is another source; told, of the days on which nothing was sold.
    "holiday_columns": Case(
        {
            "no_sales": {"transform": "filter", "inputs": ["aggregate"]},
            "holiday_columns": {"inputs": ["lag_columns", "holidays"]},
        },
        {
            **OPEN,
            "sources": {
                "holidays": {
                    "use": "csv",
                    "path": "holidays.csv",
                    "columns": {"day": "date"},
                }
            },
            "no_sales": {"where": "sold < 15"},
        },
        ["stages.holiday_columns.inputs=[lag_columns, no_sales]"],
        "n_holidays",
        "days_to_holiday",
    ),
    "filter": Case(
        {"filter": {}},
        {"filter": {"where": "sold_lag1 > 9"}},
        ["filter.where=sold > 9"],
        "sold_lag1",
        ROWS,
    ),
    "concat": Case(
        {
            "of_a": {"transform": "filter"},
            "of_b": {"transform": "filter", "inputs": ["lag_columns"]},
            "derive": {},
            "concat": {"inputs": ["of_a", "derive"]},
        },
        {
            "of_a": {"where": "kind = 'a'"},
            "of_b": {"where": "kind = 'b'"},
            "derive": {"columns": {"sold_lag1": "sold_lag1 / 2"}},
        },
        ["derive.columns={sold_lag1: sold}", DROPPED],
        "sold_lag1",
        "sold_lag1",
    ),
    "to_period": Case(
        {
            "of_days": {"transform": "aggregate", "inputs": ["sanitize_column_names"]},
            "join": {"inputs": ["sanitize_column_names", "of_days"]},
            "to_period": {},
            "aggregate": SALES,
            "lag_columns": {},
        },
        {
            "of_days": {"keys": ["shop", "day"], "columns": {"sold": ["mean"]}},
            "join": {"keys": ["shop", "day"], "columns": ["sold_mean"]},
            "aggregate": {
                **OF_WEEKS,
                "columns": {**OF_WEEKS["columns"], "sold_mean": "mean"},
            },
            "lag_columns": {"columns": ["sold", "sold_mean"]},
        },
        ["of_days.keys=[shop]", "join.keys=[shop]"],
        "sold_mean_lag1",
        "sold_mean_lag1",
    ),
    "resample": Case(
        {"aggregate": {}, "resample": SALES, "lag_columns": {}},
        {
            "resample": {
                "keys": ["shop", "kind"],
                "columns": {"sold": "sum"},
                "zero": ["sold"],
            }
        },
        ["resample.until=entity"],
        "sold_lag1",
        ROWS,
    ),
}


def project(root: Path, case: Case, columns: Mapping[str, str] | None = None) -> Path:
    """Write a project of shops and weeks, without its data."""
    (root / "configs" / "models").mkdir(parents=True)
    for model in ("ridge", "last_value"):
        path = Path("configs", "models", f"{model}.yaml")
        shutil.copy(PROJECT / path, root / path)
    (root / "configs" / "modeling.yaml").write_text(MODELING)
    before = {name: of for name, of in STAGES.items() if name not in case.stages}
    features = {**SALES, "snapshot": "features"}
    given = {**before, **case.stages, "drop_present": features}
    stages = {name: of for name, of in given.items() if of is not None}
    tree = {**SECTIONS, **case.settings, "stages": stages}
    if "to_period" not in stages:
        del tree["to_period"]
    if columns:
        tree["columns"] = columns
    (root / "configs" / "pipeline.yaml").write_text(json.dumps(tree))
    return root


def sales() -> pl.DataFrame:
    """Draw what shops sell on Mondays and Thursdays, with gaps and late starts."""
    monday = date(2024, 1, 1)
    rows = [
        (f"s{i}", "ab"[i % 2], monday + timedelta(weeks=week, days=day), n % 19, n % 7)
        for i in range(8)
        for week in range(i % 3, 5)
        for day in (0, 3)
        if (n := i * 7 + week * 5 + day) % 11 and (i + 2 * week) % 7
    ]
    return pl.DataFrame(rows, ["shop", "kind", "day", "sold", "visits"], orient="row")


def test_there_is_a_case_of_every_transformation() -> None:
    assert {*CASES, "unpivot"} == {*SETTINGS, *PER_PERIOD}


@pytest.mark.parametrize("name", CASES)
def test_one_of_the_past_is_sound_and_one_of_its_period_is_found(
    tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    root = project(tmp_path, case)
    sales().write_csv(root / "data.csv")
    (root / "holidays.csv").write_text("day\n2024-01-10\n2024-02-10\n")
    sound = audit(load_modeling(root))
    assert sound.leaks == []
    assert sound.unseen == []
    assert case.sound in sound.features
    told = audit(load_modeling(root, overrides=tuple(case.told)))
    leaks = {leak.column for leak in told.leaks}
    assert case.leaks in leaks
    assert leaks <= {case.leaks, case.sound}


WIDE = Case(
    {
        "at_first": {"transform": "derive"},
        "unpivot": {},
        "of_all": {"transform": "aggregate"},
        "join": {"inputs": ["unpivot", "of_all"]},
        "derive": {},
        "aggregate": SALES,
        "lag_columns": {},
        "to_period": None,
    },
    {
        "at_first": {"columns": {"kind": "kind"}},
        "unpivot": {
            "columns": "w_(.*)",
            "kind": "date",
            "format": "%Y_%m_%d",
            "value": "sold",
        },
        "of_all": {"keys": ["shop", "week"], "columns": {"sold": ["mean"]}},
        "join": {"keys": ["shop", "week"]},
        "derive": {"columns": {"visits": "sold_mean"}},
        "aggregate": {
            "keys": ["shop", "kind", "week"],
            "columns": dict.fromkeys(["sold", "visits"], "sum"),
        },
        "lag_columns": {"columns": ["sold", "visits"]},
    },
    ["of_all.keys=[shop]", "join.keys=[shop]"],
    "visits_lag1",
    "visits_lag1",
)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A project of a table with a column per week, which is made long."""
    weeks = [date(2024, 1, 1) + timedelta(weeks=week) for week in range(5)]
    of_weeks = {
        f"w_{at}": [(i * 7 + n * 5) % 9 for i in range(8)] for n, at in enumerate(weeks)
    }
    shops = {"shop": [f"s{i}" for i in range(8)], "kind": [*"abababab"]}
    frame = pl.DataFrame(shops | of_weeks)
    kinds = dict.fromkeys(shops, "label") | dict.fromkeys(of_weeks, "number")
    frame.write_csv(project(tmp_path, WIDE, kinds) / "data.csv")
    return tmp_path


def test_what_a_wide_table_mixes_is_found_once_it_is_long(wide: Path) -> None:
    sound = audit(load_modeling(wide))
    assert (sound.leaks, sound.unseen) == ([], [])
    assert WIDE.sound in sound.features
    told = audit(load_modeling(wide, overrides=tuple(WIDE.told)))
    assert {leak.column for leak in told.leaks} == {WIDE.leaks}


def test_what_a_wide_table_mixes_before_it_is_long_is_said(wide: Path) -> None:
    level = "at_first.columns={kind: kind, level: w_2024_01_01 + w_2024_01_29}"
    found = audit(load_modeling(wide, overrides=(level,)))
    assert found.unseen == ["level"]
    lines = describe_audit(found, allowed=[])
    assert next(lines) == (f"level: {UNSEEN}")
