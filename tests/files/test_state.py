from pathlib import Path

from pipeline.files.state import State


def test_whatever_is_kept_lies_below_one_folder_each_in_a_place_of_its_own(
    tmp_path: Path,
) -> None:
    state = State(tmp_path)
    places = [path for name, path in vars(state).items() if name != "root"]
    assert all(path.is_relative_to(tmp_path / ".pipeline") for path in places)
    assert len({*places}) == len(places)
    assert not [*tmp_path.iterdir()]


def test_an_object_is_named_for_its_snapshot_and_fingerprint(tmp_path: Path) -> None:
    path = State(tmp_path).object("features", "0123456789abcdef0123")
    assert path == tmp_path / ".pipeline/objects/features/0123456789abcdef.parquet"
