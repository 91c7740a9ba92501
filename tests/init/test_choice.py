import pytest

from pipeline.errors import ConfigError
from pipeline.init.choice import Wishes, a, every_of, is_named_id
from pipeline.panel.periods import Every


@pytest.mark.parametrize(("text", "every"), [("1mo", "1mo"), ("5", 5), ("2w", "2w")])
def test_the_length_of_a_period_is_read(text: str, every: Every) -> None:
    assert every_of(text) == every


@pytest.mark.parametrize("text", ["month", "0", "1m", "-1", ""])
def test_another_length_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"no length of a period\nexpected: .*1mo"):
        every_of(text)


def test_answers_become_wishes() -> None:
    wishes = Wishes(target="sold").with_answer("entity", "store,item")
    wishes = wishes.with_answer("every", "1w").with_answer("time", "day")
    assert wishes == Wishes("day", ("store", "item"), "sold", "1w")


def test_ids_are_named_so() -> None:
    assert all(map(is_named_id, ("Store ID", "item_code", "shopNr", "id")))
    assert not any(map(is_named_id, ("paid", "north", "store")))


def test_kinds_have_their_article() -> None:
    assert (a("integer"), a("date")) == ("an integer", "a date")
