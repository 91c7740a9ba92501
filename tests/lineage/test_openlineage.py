"""Snapshots are OpenLineage datasets."""

import json

from pipeline.lineage.graph import Lineage
from pipeline.lineage.openlineage import to_openlineage
from pipeline.lineage.show import show


def test_openlineage_has_a_facet_per_snapshot_with_every_column(
    lineage: Lineage,
) -> None:
    datasets = json.loads(show(lineage, None, "openlineage"))
    assert [dataset["name"] for dataset in datasets] == list(lineage.snapshots)
    source = lineage.source
    types = {
        "DIRECT": {"IDENTITY", "TRANSFORMATION", "AGGREGATION"},
        "INDIRECT": {
            *("JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW", "CONDITIONAL"),
        },
    }
    for dataset in datasets:
        facet = dataset["facets"]["columnLineage"]
        assert "/1-2-0/" in facet["_schemaURL"]
        assert list(facet["fields"]) == lineage.columns_of(
            lineage.snapshots[dataset["name"]]
        )
        fields = [f for of in facet["fields"].values() for f in of["inputFields"]]
        for field in [*fields, *facet["dataset"]]:
            assert field["namespace"] == dataset["namespace"]
            assert field["name"] == "source"
            assert field["field"] in source
            for way in field["transformations"]:
                assert way["subtype"] in types[way["type"]]


def test_openlineage_of_a_feature_by_hand(lineage: Lineage) -> None:
    features = to_openlineage(lineage, {})[-1]["facets"]["columnLineage"]
    found = {
        (f["field"], way["type"], way["subtype"])
        for f in features["fields"]["yearly_discharge_bin_lag1"]["inputFields"]
        for way in f["transformations"]
    }
    assert found == {
        ("Discharges", "DIRECT", "AGGREGATION"),
        ("Year", "INDIRECT", "WINDOW"),
    }
    assert "Facility Name" not in {field["field"] for field in features["dataset"]}


def test_openlineage_says_what_columns_mean(lineage: Lineage) -> None:
    means = {lineage.snapshots["drgs"]: {"apr_drg_code": "Code (of a DRG)"}}
    shown = json.loads(show(lineage, None, "openlineage", descriptions=means))
    [drgs] = [dataset for dataset in shown if dataset["name"] == "drgs"]
    assert drgs["facets"]["schema"]["fields"] == [
        {"name": "apr_drg_code", "description": "Code (of a DRG)"},
        {"name": "apr_drg_description"},
    ]
    column = show(lineage, "drgs.apr_drg_code", "text", descriptions=means)
    assert column.startswith("drgs.apr_drg_code: Code (of a DRG)\ndrgs.apr_drg_code <-")
