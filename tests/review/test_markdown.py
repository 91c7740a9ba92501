"""A comment says what changes; no name breaks its Markdown, and it is not too long."""

import re
from pathlib import Path

from pipeline.review.figures import Judged, Speed
from pipeline.review.markdown import MAX_BYTES, refusal, to_comment
from pipeline.review.review import Changed, Check, Review
from pipeline.snapshots.diff.diff import diff
from pipeline.snapshots.uses import Use
from tests.commands.test_cli import SOURCE, invoke

EVIL = "a|b`<script>@everyone</script>\n# x"


def made(**given: object) -> Review:
    nothing = {
        "against": [("run", "r1")],
        "refused": (),
        "same": ["a", "b"],
        "changed": (),
        "causes": (),
        "checks": (),
        "uses": (),
        "features": None,
        "models": (),
        "speed": (),
    }
    return Review(**nothing | given)  # pyright: ignore[reportArgumentType]


def test_nothing_that_changes_takes_a_line() -> None:
    said = "**No snapshot changes**: all 2 come out as run `r1` has them.\n"
    assert to_comment(made()) == said


def test_every_section_is_there() -> None:
    text = to_comment(
        made(
            changed=[
                Changed("features", 10, 12, None, "only hashes are kept"),
                Changed("new one", None, 1_000, None, ""),
                Changed("old one", 5, None, None, ""),
            ],
            causes=["code: transforms/x.py changed"],
            checks=[
                Check("features", "key", "error", 0, 2),
                Check("features", "gone", "", 0, None),
            ],
            uses=[Use("q", "features", "x", True), Use("r", "features", "y", False)],
            features="features",
            models=[Judged("trees", 3, True, "mae", "$", 1e5, 9e4, 1.2e5, False)],
            speed=[Speed("run", "pandas", 0.5, 0.6), Speed("plan", "pandas", 1.0, 1.0)],
        )
    )
    for line in (
        "## 3 of 4 snapshots change",
        "| `features` | 10 | 12 | `only hashes are kept` |  |  |  |",
        "| `new one` | - | 1,000 | new |  |  |  |",
        "| `old one` | 5 | - | not there any more |  |  |  |",
        "- `code: transforms/x.py changed`",
        "| `features` | `key` | error | 0 | 2 |",
        "Checks: 0 new, 1 not made any more.",
        "- `q`: `x` of `features`",
        "### Queries that cannot be planned any more",
        "- `r`: `y` of `features`",
        "| `trees` version 3, the champion | rows of before | `mae` $100k"
        " | $90k to $120k |",
        "### Speed: 1 of 2 figures slower",
        "| `run` | `pandas` | 0.5 | 0.6 |",
    ):
        assert line in text.splitlines()


def test_no_name_is_read_as_markdown() -> None:
    text = to_comment(
        made(
            against=[("run", EVIL), ("of", EVIL)],
            refused=[EVIL],
            changed=[Changed(EVIL, 1, 2, None, EVIL)],
            causes=[EVIL],
            checks=[Check(EVIL, EVIL, "error", 0, 1)],
            uses=[Use(EVIL, EVIL, EVIL, True)],
            features=EVIL,
            models=[Judged(EVIL, None, False, EVIL, "$", None, None, None, True)],
            speed=[Speed(EVIL, EVIL, 0.5, 0.6)],
        )
    )
    refused, text = text.split("\n```\n")
    assert refused == f"## This does not run\n\n```text\n{EVIL}"
    assert "\n# x" not in text
    outside = re.sub(r"(`+)(?!`).*?[^`]\1(?!`)", "", text)
    assert not re.search("script|everyone|<", outside)
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) == 4
    for part in tables:
        assert (
            len({len(re.findall(r"(?<!\\)\|", row)) for row in part.splitlines()}) == 1
        )


def test_a_comment_is_cut_between_sections(reviewed: Path) -> None:
    features = next((reviewed / ".pipeline" / "objects" / "features").glob("*.parquet"))
    found = diff(features, features, ["year"])
    name = "ü" * 40
    changed = [Changed(f"{name}{i}", 1, 2, found, "") for i in range(400)]
    text = to_comment(made(changed=changed))
    assert MAX_BYTES - 2_000 < len(text.encode()) <= MAX_BYTES
    assert text.endswith("`just diff` shows a snapshot whole._\n")
    assert "and 370 more" in text
    assert text.count("<details>") == text.count("</details>")


def test_long_lists_are_folded_and_cut() -> None:
    changed = [Changed("a", 1, 2, None, "")]
    text = to_comment(made(changed=changed, causes=[f"line {i}" for i in range(50)]))
    assert "<details><summary>50</summary>" in text
    assert "- `line 29`\n\n</details>\n\nand 20 more" in text


def test_the_command_writes_it(reviewed: Path, tmp_path: Path) -> None:
    words = (*SOURCE, "lag_columns.periods=2")
    said = invoke(reviewed, "review", *words, "-o", str(tmp_path / "review.md"))
    assert (said.exit_code, said.stdout) == (0, "")
    text = (tmp_path / "review.md").read_text()
    assert text.startswith("## 1 of 4 snapshots changes\n")
    assert "- added: `mean_cost_lag2` `Float64`" in text
    nowhere = invoke(reviewed, "review", *SOURCE, "-o", str(tmp_path / "no" / "x.md"))
    assert nowhere.exit_code == 1
    assert "cannot be written" in nowhere.stderr


def test_the_command_takes_an_export_of_the_working_folder(reviewed: Path) -> None:
    said = invoke(reviewed, "review", *SOURCE, "--against", "before.duckdb")
    assert said.stdout.startswith("**No snapshot changes**: all 4 come out as ")


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert refusal(["a ``` b", "c"]).endswith("````text\na ``` b\n\nc\n````")
    assert len(refusal(["x" * 100_000])) < MAX_BYTES / 4


def test_what_breaks_a_contract_is_reviewed_with_all_else_that_changes(
    reviewed: Path,
) -> None:
    words = (*SOURCE, "lag_columns.periods=2", "checks.discharges.rows.min=1000")
    said = invoke(reviewed, "review", *words)
    assert said.exit_code == 0
    first, rest = said.stdout.split("\n```\n")
    assert first.startswith("## This does not run\n\n```text\nsnapshot 'discharges'")
    assert str(reviewed) not in first
    for line in (
        "What would change, were it published:",
        "## 1 of 4 snapshots changes",
        "| `discharges` | `rows.min` | error | - | 911 |",
        "- added: `mean_cost_lag2` `Float64`",
    ):
        assert line in rest.splitlines()
    again = invoke(reviewed, "review", *SOURCE)  # nothing is left of it
    assert again.stdout.startswith("**No snapshot changes**")


def test_what_makes_no_rows_is_said_in_its_words(reviewed: Path) -> None:
    for word, expected in (
        ("lag_columns.periods=0", "lag_columns"),
        ("lag_columns.columns=[nosuch]", "nosuch"),
        ("source.path=nowhere.csv", "nowhere.csv"),
    ):
        said = invoke(reviewed, "review", *SOURCE, word)
        assert said.exit_code == 0
        assert said.stdout.startswith("## This does not run\n\n```text\n")
        assert expected in said.stdout
    nothing = invoke(reviewed, "review", *SOURCE, "--against", "")
    assert nothing.exit_code == 1
    assert "a run has a name, and this is empty" in nothing.stderr
