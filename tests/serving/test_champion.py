"""What is served is what `just score` gives, and refused for the same reasons."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.modeling.score import score
from pipeline.serving.formats import ARROW, CSV, JSON, PARQUET
from tests.modeling.conftest import forecast_here
from tests.serving.asgi import ask
from tests.serving.conftest import Served


@pytest.fixture(scope="module")
def rows(served: Served) -> pl.DataFrame:
    """A facility's last year, as its file has it."""
    root = served.settings.root
    table = pl.read_csv(root / "data" / "raw.csv", infer_schema=False)
    last = table.filter(pl.col("Year") == "2017")
    largest = last["Facility Id"].mode().sort()[0]
    return last.filter(pl.col("Facility Id") == largest)


def test_each_format_is_answered_as_score_answers_its_file(
    served: Served, rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecast_here(monkeypatch)
    table = rows.with_columns(pl.col("Mean Cost").cast(pl.Float64))
    table.write_csv(tmp_path / "rows.csv")
    table.write_parquet(tmp_path / "rows.parquet")
    arrow = io.BytesIO()
    table.write_ipc_stream(arrow)
    (tmp_path / "rows.jsonl").write_text(table.write_ndjson())
    as_json = json.dumps({"rows": table.to_dicts()}).encode()
    expected = score(served.settings, tmp_path / "rows.jsonl").predictions
    assert expected["prediction"].count() > 5
    for name in ("rows.csv", "rows.parquet"):
        made = score(served.settings, tmp_path / name).predictions
        assert_frame_equal(made, expected, check_exact=True)
    for type_, body in (
        (CSV, (tmp_path / "rows.csv").read_bytes()),
        (PARQUET, (tmp_path / "rows.parquet").read_bytes()),
        (ARROW, arrow.getvalue()),
        (JSON, as_json),
    ):
        sent = {"content_type": type_, "accept": ARROW}
        answer = ask(served.app, "POST", "/predict", body, **sent)
        made = pl.read_ipc_stream(answer.body)
        assert_frame_equal(made, expected, check_exact=True)
        assert answer.headers["refused-cells"] == "0"
    shown = ask(served.app, "POST", "/predict", as_json, content_type=JSON).json
    assert shown["predictions"] == expected.to_dicts()


def test_rows_that_cannot_be_read_are_named_and_counted(
    served: Served, rows: pl.DataFrame
) -> None:
    def sent(*bad: int) -> pl.DataFrame:
        is_bad = pl.int_range(pl.len()).is_in(list(bad))
        cost = pl.when(is_bad).then(pl.lit("<much>")).otherwise("Mean Cost")
        return rows.with_columns(cost.alias("Mean Cost"))

    one = json.dumps(sent(2).to_dicts()).encode()
    answer = ask(served.app, "POST", "/predict", one, content_type=JSON)
    [cell] = answer.json["refused"]
    assert {name: cell[name] for name in ("row", "column", "value")} == {
        "row": 3,
        "column": "Mean Cost",
        "value": "<much>",
    }
    assert len(answer.json["predictions"]) == rows.height - 1
    two = sent(1, 2).write_csv().encode()
    refused = ask(served.app, "POST", "/predict", two, content_type=CSV)
    assert refused.status == 422
    assert "2 bad rows" in refused.json["error"]
    assert refused.json["hint"] == "mend the rows; / says what they may be"
    damaged = ask(served.app, "POST", "/predict", b"\xff\xfe\x00", content_type=CSV)
    assert (damaged.status, damaged.json["error"]) == (
        422,
        "the request: cannot be read as CSV",
    )
    assert "/tmp" not in refused.body.decode()
    twice = pl.concat([rows, rows.head(1)]).write_csv().encode()
    broken = ask(served.app, "POST", "/predict", twice, content_type=CSV)
    assert broken.status == 422
    earlier = rows.with_columns(Year=pl.lit("2011")).write_csv().encode()
    early = ask(served.app, "POST", "/predict", earlier, content_type=CSV)
    assert early.status == 422
    assert "hint" not in early.json  # its words are for the command line
    lacking = rows.drop("Discharges").write_csv().encode()
    lack = ask(served.app, "POST", "/predict", lacking, content_type=CSV)
    assert lack.status == 422
    assert "Discharges" in lack.body.decode()
    text = ask(served.app, "GET", "/metrics").body.decode()
    assert "pipeline_rows_refused_total 1\n" in text
    assert "pipeline_requests_refused_total 5\n" in text
    assert "pipeline_requests_with_all_rows_total 0\n" in text


def test_a_prediction_is_explained(served: Served, rows: pl.DataFrame) -> None:
    few = rows.head(5).write_csv().encode()
    answer = ask(served.app, "POST", "/explain", few, content_type=CSV).json
    predicted = ask(served.app, "POST", "/predict", few, content_type=CSV).json
    found = {row["apr_drg_code"]: row["prediction"] for row in predicted["predictions"]}
    for one in answer["explained"]:
        assert one["prediction"] == found[one["key"]["apr_drg_code"]]
        added = one["base"] + sum(c["amount"] for c in one["contributions"])
        assert added == pytest.approx(one["prediction"])
    assert answer["explained"]
    more = rows.head(6).write_csv().encode()
    refused = ask(served.app, "POST", "/explain", more, content_type=CSV)
    assert refused.status == 413
    as_csv = {"content_type": CSV, "accept": CSV}
    assert ask(served.app, "POST", "/explain", few, **as_csv).status == 406


def test_what_is_too_large_or_of_no_known_type_is_refused(served: Served) -> None:
    most = served.state.serving.max_body_mib * (1 << 20)
    said = ask(
        served.app,
        "POST",
        "/predict",
        b"",
        content_length=str(int(most) + 1),
        content_type=JSON,
    )
    chunks = ask(
        served.app, "POST", "/predict", [b" " * (1 << 20)] * 17, content_type=JSON
    )
    assert said.status == chunks.status == 413
    assert (
        ask(served.app, "POST", "/predict", b"x", content_type="text/html").status
        == 415
    )
    assert ask(served.app, "POST", "/predict", content_type=JSON).status == 400
    assert ask(served.app, "GET", "/ready").json["version"] == 1
