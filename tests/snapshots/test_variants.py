import logging
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from pipeline.errors import SnapshotError
from pipeline.files.checksum import write_sealed
from pipeline.snapshots.history import diff_variant
from pipeline.snapshots.sql import connect_to_variant
from pipeline.snapshots.store import (
    Store,
    drop_object,
    open_store,
    read_object,
    read_runs,
)
from pipeline.snapshots.variants import (
    Variant,
    describe_variants,
    drop_variants,
    find_variant,
    read_variants,
    write_variant,
)


@pytest.fixture
def kept(published: Path, tmp_path: Path) -> Store:
    """A store with a run, and a variant that is the same."""
    shutil.copytree(published / ".pipeline", tmp_path / ".pipeline", symlinks=True)
    store = open_store(tmp_path)
    write_variant(store, Variant("mine", ["a.b=1"], {}, read_runs(store)[-1]))
    return store


def test_a_variant_is_found_as_it_was_written(kept: Store) -> None:
    variant = find_variant(kept, "mine")
    assert (variant.words, variant.run) == (["a.b=1"], read_runs(kept)[-1])
    assert describe_variants(kept)[1:] == [
        "    --profile ci a.b=1" if variant.run.profile else "    a.b=1",
        "    other than published: nothing",
    ]


def test_what_has_equal_rows_is_as_published(kept: Store) -> None:
    run = read_runs(kept)[-1]
    features = next(s for s in run.snapshots if s.name == "features")
    record = read_object(kept, *features.object)
    assert record
    for fingerprint, content, said in (
        ("1" * 64, record.content_hash, "nothing"),
        ("2" * 64, "others", "features"),
    ):
        made = replace(record, fingerprint=fingerprint, content_hash=content)
        path = kept.object("features", fingerprint)
        shutil.copy(kept.object(*features.object), path)
        write_sealed(path.with_suffix(".json"), made)
        other = replace(features, fingerprint=fingerprint)
        of = replace(run, snapshots=[other])
        write_variant(kept, Variant("mine", [], {}, of))
        assert describe_variants(kept)[2] == f"    other than published: {said}"


def test_an_unknown_name_is_refused_with_the_one_that_was_meant(kept: Store) -> None:
    with pytest.raises(SnapshotError, match="did you mean 'mine'"):
        find_variant(kept, "mien")
    with pytest.raises(SnapshotError, match="no variant 'other'"):
        drop_variants(kept, ["mine", "other"])
    assert read_variants(kept)
    drop_variants(kept, ["mine"])
    assert not read_variants(kept)


def test_a_damaged_record_is_named_left_out_and_can_be_dropped(
    kept: Store, caplog: pytest.LogCaptureFixture
) -> None:
    path = kept.variants / "mine.json"
    path.write_bytes(path.read_bytes().replace(b"a.b", b"a.c"))
    with caplog.at_level(logging.WARNING):
        assert read_variants(kept) == []
    assert "`just variants --drop mine` removes it" in caplog.text
    drop_variants(kept, ["mine"])
    assert not path.exists()


def test_its_rows_are_asked_beside_those_that_are_published(kept: Store) -> None:
    asked = "SELECT (SELECT count(*) FROM features), count(*) FROM published.features"
    with connect_to_variant(kept, "mine") as con:
        assert con.execute(asked).fetchall() == [(2, 2)]
    title, found = diff_variant(kept, "mine", "features", "latest")
    assert title.endswith("-> variant mine")
    assert found.is_equal


def test_an_object_that_is_gone_is_named(kept: Store) -> None:
    [of] = [s.object for s in read_runs(kept)[-1].snapshots if s.name == "features"]
    drop_object(kept, *of)
    with pytest.raises(SnapshotError, match="of variant 'mine' is missing"):
        connect_to_variant(kept, "mine")
    assert "features (not in the store)" not in describe_variants(kept)[2]
