"""The lineage of the snapshots as OpenLineage datasets.

Each snapshot is a dataset whose facet ``columnLineage`` leads back to the columns of
the dataset ``source``, past all stages between; version 1-2-0 of the facet [1]_.

References
----------
.. [1] https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from pipeline.lineage import DIRECT, INDIRECT, Edge
from pipeline.lineage.paths import origins
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE

NAMESPACE = "hospital-cost-pipeline"
SCHEMA_URL = (
    "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json"
    "#/$defs/ColumnLineageDatasetFacet"
)


def to_openlineage(plan: Plan, edges: Sequence[Edge]) -> list[dict[str, Any]]:
    """Describe every snapshot as an OpenLineage dataset.

    Parameters
    ----------
    plan : Plan
        The composed graph.
    edges : sequence of Edge
        Its lineage.

    Returns
    -------
    list of dict
        Ready for JSON. Kinds become types and subtypes; one that is unknown stands as
        a direct transformation whose description says so, as OpenLineage has no word
        for it. The facet's ``dataset`` names what decides which rows there are.
    """
    found = origins(plan, edges)
    return [
        {
            "namespace": NAMESPACE,
            "name": name,
            "facets": {
                "columnLineage": {
                    "_producer": f"urn:{NAMESPACE}:lineage",
                    "_schemaURL": SCHEMA_URL,
                    "fields": {
                        column: {"inputFields": _fields(found[node.stage.name, column])}
                        for column in node.schema
                    },
                    "dataset": _fields(found[node.stage.name, None]),
                }
            },
        }
        for name, node in plan.snapshots.items()
    ]


def _fields(deps: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Describe source columns, each with the ways in which it matters."""
    return [
        {
            "namespace": NAMESPACE,
            "name": SOURCE,
            "field": column,
            "transformations": [_transformation(kind) for _, kind in group],
        }
        for column, group in groupby(deps, key=lambda dep: dep[0])
    ]


def _transformation(kind: str) -> dict[str, Any]:
    """Translate a kind."""
    if kind not in (*DIRECT, *INDIRECT):
        return {
            "type": "DIRECT",
            "subtype": "TRANSFORMATION",
            "description": "unknown: may depend on it, in whatever way",
            "masking": False,
        }
    type_ = "DIRECT" if kind in DIRECT else "INDIRECT"
    return {"type": type_, "subtype": kind.upper(), "description": "", "masking": False}
