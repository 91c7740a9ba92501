"""Configuration is composed of layers, and refused where a file or a word is odd."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pipeline.config import Layer, Tree, merge
from pipeline.plan.settings import load_settings
from tests.conftest import PROJECT
from tests.plan.test_settings import mistakes


@pytest.mark.parametrize(
    "trees",
    [
        ({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2], "d": 3}}, {"e": 4}),
        ({"a": {"b": 1}}, {"a": None}, {"a": {"c": 2}}),
        ({"a": 1}, {"a": [1]}, {"a": "${b}", "b": 2}),
        ({"a": {"b": 1}, "c": 1}, {"a": {"b": "???"}}, {"c": 2}),
        ({"x": {"c": 1}, "a": "${x}"}, {"a": {"b": 1}}, {"x": {"c": 2}}),
    ],
    ids=["plain", "null", "leaves", "missing", "interpolated"],
)
def test_layers_merge_as_omegaconf_merges(trees: tuple[Tree, ...]) -> None:
    before = copy.deepcopy(trees)
    merged = merge([Layer(str(i), tree) for i, tree in enumerate(trees)])
    assert OmegaConf.to_container(merged) == OmegaConf.to_container(
        OmegaConf.merge(*trees)
    )
    assert trees == before


def test_override_beats_profile_beats_file() -> None:
    def min_total(*overrides: str, profile: str | None = None) -> int:
        settings = load_settings(PROJECT, profile=profile, overrides=overrides)
        return settings.tree["drop_rare_drgs"]["min_total"]

    assert min_total() == 555
    assert min_total(profile="origin") == 5000
    assert min_total("drop_rare_drgs.min_total=7", profile="origin") == 7


def test_interpolation_reaches_other_files() -> None:
    settings = load_settings(PROJECT, overrides=("lag_columns.by=row",))
    assert settings.tree["rolling_columns"]["by"] == "row"


def test_a_word_is_a_value_to_the_letter() -> None:
    def source(word: str) -> dict[str, object]:
        return load_settings(PROJECT, overrides=("source=csv", word)).tree["source"]

    assert source("source.path=data/raw #1.csv")["path"] == "data/raw #1.csv"
    assert source("source.rename[a.b]=Year")["rename"] == {"a.b": "Year"}
    message = mistakes(PROJECT, "source=csv", "source.path=2019")
    assert "found 2019: in quotes it is text" in message


def test_a_key_is_text(project: Path) -> None:
    csv = project / "configs" / "sources" / "csv.yaml"
    csv.write_text("rename: {on: Year, 010: x}")
    tree = load_settings(project, overrides=("source=csv",)).tree
    assert tree["source"]["rename"] == {"on": "Year", "010": "x"}


def test_a_later_profile_wins_over_an_earlier_one(project: Path) -> None:
    profiles = project / "configs" / "profiles"
    (profiles / "a.yaml").write_text("lag_columns: {periods: 3, by: row}")
    (profiles / "b.yaml").write_text("lag_columns: {periods: 4}")
    tree = load_settings(project, profile="a,b").tree["lag_columns"]
    assert (tree["periods"], tree["by"]) == (4, "row")


@pytest.mark.parametrize("name", ["/tmp/x", "../profiles/ci", ".", "..", "", "/"])
def test_a_profile_and_a_source_are_names_not_paths(name: str) -> None:
    assert "expected the name of a file there" in mistakes(PROJECT, profile=name)
    assert "expected the name of a file there" in mistakes(PROJECT, f"source={name}")


def make_folder(path: Path) -> None:
    path.mkdir()


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_dangling(path: Path) -> None:
    path.symlink_to("nowhere.yaml")


def make_latin1(path: Path) -> None:
    path.write_bytes("a: Größe".encode("latin-1"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            make_folder,
            "configs/profiles/odd.yaml: cannot be read\nfound: Is a directory",
        ),
        (make_loop, "cannot be read\nfound: Too many levels of symbolic links"),
        (make_dangling, "odd.yaml: no such file, only a link that leads nowhere"),
        (make_latin1, "not readable as YAML\nfound: 'utf-8' codec can't decode"),
    ],
)
def test_what_is_no_file_of_yaml_is_named(
    project: Path, make: Callable[[Path], None], said: str
) -> None:
    make(project / "configs" / "profiles" / "odd.yaml")
    assert said in mistakes(project, profile="odd")


def test_what_an_editor_hides_in_a_folder_is_no_configuration(project: Path) -> None:
    make_dangling(project / "configs" / "checks" / ".#features.yaml")
    assert load_settings(project).contracts


def test_missing_file_names_the_nearest() -> None:
    assert "did you mean 'csv'" in mistakes(PROJECT, "source=cvs")
    assert "did you mean 'origin'" in mistakes(PROJECT, profile="orgin")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: [1", "configs/profiles/bad.yaml: not readable as YAML"),
        ("- 1\n- 2\n", "configs/profiles/bad.yaml: expected a mapping at the top"),
    ],
)
def test_profile_that_is_no_mapping_is_refused(
    project: Path, text: str, part: str
) -> None:
    (project / "configs" / "profiles" / "bad.yaml").write_text(text)
    assert part in mistakes(project, profile="bad")
