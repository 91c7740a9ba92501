from pathlib import Path

from pipeline.modeling.settings import load_modeling
from tests.init.tables import MONTHS, made, panel


def test_models_are_those_of_a_season(tmp_path: Path) -> None:
    made(tmp_path, panel(tmp_path / "sales.csv", MONTHS, names="month,shop,sold"))
    settings = load_modeling(tmp_path)
    modeling = settings.modeling
    assert modeling.past == ["sold_rolling3", "sold_lag1"]
    assert modeling.baselines == [
        "last_value",
        "rolling_mean",
        "seasonal_naive",
        "ridge",
    ]
    assert settings.models["seasonal_naive"].params["columns"][0] == "sold_lag12"
    assert modeling.model == "lightgbm"


def test_without_a_season_there_is_no_model_of_it(tmp_path: Path) -> None:
    made(tmp_path, panel(tmp_path / "a.csv", range(2000, 2020)))
    assert "seasonal_naive" not in load_modeling(tmp_path).models


def test_scales_are_those_of_the_target(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", MONTHS, amount=lambda i, t: (t * 7 % 23) * 1e6)
    made(tmp_path, file)
    target = load_modeling(tmp_path).models["lightgbm"].target
    assert getattr(target, "scale", None) == 6e6


def test_totals_are_by_the_first_of_several_names(tmp_path: Path) -> None:
    rows = [
        f"{m},s{s},i{i},{(m.month * s + i) % 7}"
        for s in range(3)
        for i in range(2)
        for m in MONTHS
    ]
    (tmp_path / "a.csv").write_text("\n".join(["month,store,item,sold", *rows]))
    made(tmp_path, tmp_path / "a.csv")
    assert load_modeling(tmp_path).modeling.totals == ["store"]
