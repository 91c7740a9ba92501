"""The lineage of the snapshots as OpenLineage datasets.

Each snapshot is a dataset whose facet ``columnLineage`` leads back to the columns of
the dataset ``source``, past all stages between; version 1-2-0 of the facet [1]_. The
facet ``schema``, version 1-1-1 [2]_, says what its columns mean.

References
----------
.. [1] https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet
.. [2] https://openlineage.io/docs/spec/facets/dataset-facets/schema
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from pipeline.lineage.graph import Column, Lineage, origins
from pipeline.lineage.value import DIRECT, UNKNOWN

NAMESPACE = "pipeline"
_FACETS = "https://openlineage.io/spec/facets/{0}/{1}.json#/$defs/{1}"


def to_openlineage(
    lineage: Lineage, descriptions: Mapping[str, Mapping[str, object]]
) -> list[dict[str, Any]]:
    """Make every snapshot an OpenLineage dataset, ready for JSON.

    What columns mean is said by stage and column, in words.

    Kinds become types and subtypes; one that is unknown stands as a direct
    transformation whose description says so, as OpenLineage has no word for it. The
    facet's ``dataset`` names what decides which rows there are.
    """
    found = origins(lineage)
    return [
        {
            "namespace": NAMESPACE,
            "name": name,
            "facets": {
                "schema": {
                    **_facet("1-1-1", "SchemaDatasetFacet"),
                    "fields": [
                        _field(column, descriptions.get(stage, {}).get(column))
                        for column in lineage.columns_of(stage)
                    ],
                },
                "columnLineage": {
                    **_facet("1-2-0", "ColumnLineageDatasetFacet"),
                    "fields": {
                        column: {"inputFields": _fields(found[stage, column])}
                        for column in lineage.columns_of(stage)
                    },
                    "dataset": _fields(found[stage, None]),
                },
            },
        }
        for name, stage in lineage.snapshots.items()
    ]


def _facet(version: str, name: str) -> dict[str, str]:
    """Say what each facet has to: who made it, and what it is."""
    url = _FACETS.format(version, name)
    return {"_producer": f"urn:{NAMESPACE}:lineage", "_schemaURL": url}


def _field(column: str, description: object) -> dict[str, str]:
    """Name a column of a dataset, with what it means, if that is known."""
    said = {} if description is None else {"description": str(description)}
    return {"name": column, **said}


def _fields(deps: Iterable[tuple[Column, str]]) -> list[dict[str, Any]]:
    """Name source columns, each with the ways in which it matters."""
    return [
        {
            "namespace": NAMESPACE,
            "name": source,
            "field": column,
            "transformations": [_transformation(kind) for _, kind in group],
        }
        for (source, column), group in groupby(deps, key=lambda dep: dep[0])
    ]


def _transformation(kind: str) -> dict[str, Any]:
    """Translate a kind."""
    if kind == UNKNOWN:
        return {
            "type": "DIRECT",
            "subtype": "TRANSFORMATION",
            "description": "unknown: may depend on it, in whatever way",
            "masking": False,
        }
    type_ = "DIRECT" if kind in DIRECT else "INDIRECT"
    return {"type": type_, "subtype": kind.upper(), "description": "", "masking": False}
