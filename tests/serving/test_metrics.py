"""What is counted is written as Prometheus reads it."""

import re

from pipeline.serving.metrics import Metrics


def test_what_is_counted_is_written() -> None:
    figures = Metrics()
    figures.count("predictions", 3)
    for status, seconds in ((200, 0.004), (200, 0.2), (422, 100.0)):
        figures.answered("/predict", status, seconds)
    lines = figures.written('models:/a"\n/1', 2).splitlines()
    assert r'pipeline_champion{version="models:/a\"\n/1"} 1' in lines
    assert "pipeline_processes 2" in lines
    assert "pipeline_predictions_total 3" in lines
    assert 'pipeline_requests_total{path="/predict",status="200"} 2' in lines
    buckets = [line for line in lines if line.startswith("pipeline_request_seconds_b")]
    assert [int(line.split()[-1]) for line in buckets] == [1] * 5 + [2] * 8 + [3]
    assert 'pipeline_request_seconds_count{path="/predict"} 3' in lines
    shape = r'# (HELP|TYPE) pipeline_\w+ .+|pipeline_\w+(\{\w+="[^\n]*"\})? [\d.]+'
    assert all(re.fullmatch(shape, line) for line in lines)


def test_all_counters_are_there_from_the_start() -> None:
    assert "pipeline_rows_refused_total 0\n" in Metrics().written(None, 0)
