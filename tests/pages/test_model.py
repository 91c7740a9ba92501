from dataclasses import replace

import pytest

from pipeline.pages.docs import frame_of
from pipeline.pages.facts import Facts
from pipeline.pages.model import model
from pipeline.pages.site import render
from tests.pages.conftest import HOSTILE


@pytest.fixture(scope="module")
def text(modeled: Facts) -> str:
    return render([*model(modeled)], frame_of(modeled))["model.html"]


def test_candidates_stand_side_by_side_by_their_error(modeled: Facts) -> None:
    page, _ = model(modeled)
    [judged] = page.values["judged"]
    assert [(c.name, c.error, c.ends) for c in judged.candidates] == [
        ("ridge", "$10", "$9 to $11"),
        ("naive", "$12", "$11 to $13"),
    ]
    ridge, naive = judged.candidates
    assert (ridge.others["bias"], naive.others["bias"]) == ("-2.0%", "\N{EN DASH}")
    assert (ridge.difference, naive.difference) == ("", "-$2 (-$3 to -$1)")
    assert ridge.bar.width == pytest.approx(100 * 10 / 13)
    assert naive.bar.upper == 100


def test_the_card_is_copied_and_shown_in_a_frame(modeled: Facts, text: str) -> None:
    _, card = model(modeled)
    files = render([*model(modeled)], frame_of(modeled))
    assert files[card.path].strip() == "<!doctype html><title>a card</title>"
    assert f'<iframe class="card" src="{card.path}"' in text


def test_promotions_are_told_with_their_reasons(text: str) -> None:
    assert text.index("cost 2</th>") < text.index("cost 1</th>")
    assert "10% too low in sum" in text
    assert "`leaks` let year pass" in text


def test_forecasts_that_have_come_stand_beside_the_best_baseline(
    modeled: Facts,
) -> None:
    page, _ = model(modeled)
    rows = page.values["scored"]
    assert [(r.period, r.error, r.best) for r in rows] == [
        ("10", "MAE $7", "naive, $4"),
        ("9", "MAE $5", "naive, $6"),
    ]
    assert rows[0].coverage == "88.0 % of 90.0 % meant"
    [(name, drawn)] = page.values["errors"]
    assert (name, drawn.text) == ("cost", "5, then 7")


def test_what_has_drifted_comes_first(modeled: Facts) -> None:
    page, _ = model(modeled)
    assert [row["feature"] for row, _ in page.values["drift"]] == ["moved", "steady"]
    assert page.values["n_drifted"] == 1


def test_the_audit_says_what_it_looked_at_and_what_is_on_trust(text: str) -> None:
    assert "600 values of 2 features" in text
    assert "50.0 % of the rows" in text
    assert "&lt;script&gt;" in text
    assert HOSTILE not in text


def test_rows_of_an_older_store_say_less(modeled: Facts) -> None:
    older = replace(modeled)
    for row in older.meta("models"):
        del row["spans"], row["horizon"], row["on_trust"], row["entity"]
    for row in older.meta("drift"):
        del row["psi"], row["importance"]
    text = render([*model(older)], frame_of(older))["model.html"]
    assert "Champion" in text
    assert "Judged on" not in text


def test_a_project_without_a_model_is_told_what_to_do_next(
    files: dict[str, str],
) -> None:
    assert "<code>configs/modeling.yaml</code>" in files["model.html"]
    assert "iframe" not in files["model.html"]


def test_without_a_champion_the_best_comes_first_and_says_why_not(
    unpromoted: Facts,
) -> None:
    page, card = model(unpromoted)
    assert [one.model["model"] for one in page.values["judged"]] == ["ridge", "tree"]
    text = render([page, card], frame_of(unpromoted))["model.html"]
    assert "version 1 of" in text.partition("No version is champion")[2]
    assert "<li>10% too low in sum</li>" in text
    assert f'<a href="{card.path}">its card</a>' in text
