"""Whatever bit is another shows."""

from pathlib import Path

import msgspec
import pytest

from pipeline.files.checksum import checksum, read_sealed, seal, unseal


class Note(msgspec.Struct):
    """A record of any kind."""

    text: str


RECORD = msgspec.json.encode(Note("abc"))


def test_checksum_is_the_crc_32_of_all_bytes(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_bytes(b"123456789")
    assert checksum(file) == "cbf43926"  # the check value of the standard
    file.write_bytes(bytes(3 << 20))
    long = checksum(file)
    file.write_bytes(bytes((3 << 20) - 1) + b"\1")
    assert checksum(file) != long


def test_sealed_record_is_json_and_comes_back() -> None:
    assert msgspec.json.decode(seal(RECORD)).keys() == {"crc32", "text"}
    assert unseal(seal(RECORD)) == RECORD


@pytest.mark.parametrize("at", range(len(seal(RECORD))))
def test_any_flipped_bit_shows(at: int) -> None:
    sealed = bytearray(seal(RECORD))
    sealed[at] ^= 1
    assert unseal(bytes(sealed)) is None
    assert unseal(seal(RECORD)[:at]) is None


def test_what_is_absent_damaged_or_another_record_is_none(tmp_path: Path) -> None:
    file = tmp_path / "note.json"
    assert read_sealed(file, Note) is None
    file.write_bytes(RECORD)
    assert read_sealed(file, Note) is None
    file.write_bytes(seal(b'{"other":1}'))
    assert read_sealed(file, Note) is None
    file.write_bytes(seal(RECORD))
    assert read_sealed(file, Note) == Note("abc")
