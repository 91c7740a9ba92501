"""What is timed on a panel of days is the same by the pipeline and by hand."""

from pathlib import Path

from benchmarks import days


def test_the_pipeline_and_what_is_written_by_hand_agree(tmp_path: Path) -> None:
    days.make(4, tmp_path, n_rows=200)
    made = days.by_pipeline(tmp_path)
    assert made.shape == (200, 17)
    days.compare(days.by_hand(tmp_path), made)
