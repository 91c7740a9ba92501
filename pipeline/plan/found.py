"""What is found out of each stage and module alone, kept for the next command.

Python follows plans and syntax trees node by node, for tenths of a second; what comes
of it depends on nothing but content. So a process adds to five tables, and begins with
what they held in the last one of the same words, configuration and code.
"""

from collections.abc import Generator
from contextlib import contextmanager

import msgspec

from pipeline.lineage.graph import Edge
from pipeline.plan.code import IMPORTS, MEANINGS
from pipeline.plan.content import Memo
from pipeline.plan.needs import NEEDS
from pipeline.plan.plan import EDGES, KEEPS_ROWS


class _Found(msgspec.Struct, frozen=True):
    """The tables."""

    edges: dict[str, list[Edge]]
    keeps_rows: dict[str, bool]
    needs: dict[str, tuple[dict[str, set[str]], str]]
    imports: dict[str, list[str]]
    meanings: dict[str, str]

    def __len__(self) -> int:
        return sum(map(len, msgspec.structs.astuple(self)))


@contextmanager
def keeping(memo: Memo) -> Generator[None]:
    """Begin with what is kept, and keep what is found out beside it."""
    kept = memo.recall(_Found) or _Found({}, {}, {}, {}, {})
    EDGES.update(kept.edges)
    KEEPS_ROWS.update(kept.keeps_rows)
    NEEDS.update(kept.needs)
    IMPORTS.update(kept.imports)
    MEANINGS.update(kept.meanings)
    yield
    found = _Found(EDGES, KEEPS_ROWS, NEEDS, IMPORTS, MEANINGS)
    if len(found) > len(kept):
        memo.remember(found)
