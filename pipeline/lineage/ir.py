"""The one doorway to Polars' private view of a resolved plan.

Nothing else in the project touches it. Where it has changed, `Ir` refuses, and
the lineage is unknown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import polars as pl
from polars.exceptions import PanicException

VERSION = (16, 0)
"""The version of the view this module was written for."""


class NotFollowed(Exception):
    """A part of the plan cannot be followed; it never leaves `pipeline.lineage`."""


class Root(NamedTuple):
    """An expression of a node, and what its result is called."""

    name: str
    expr: int


@dataclass(frozen=True)
class Node:
    """A node of the plan: Polars' name of its kind, its parts, inputs and columns."""

    kind: str
    view: Any
    inputs: tuple[int, ...]
    schema: dict[str, pl.DataType]

    def roots(self, part: str) -> list[Root]:
        """List the expressions of a part of the node."""
        found: Any = getattr(self.view, part)
        exprs = cast("list[Any]", found) if isinstance(found, list) else [found]
        return [Root(expr.output_name, expr.node) for expr in exprs]


# Which parts of an expression its value is made of; which others influence it, and how.
PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "Agg": (("arguments",), (), ""),
    "Alias": (("expr",), (), ""),
    "BinaryExpr": (("left", "right"), (), ""),
    "Cast": (("expr",), (), ""),
    "Explode": (("expr",), (), ""),
    "Filter": (("input",), ("by",), "filter"),
    "Function": (("input",), (), ""),
    "Gather": (("expr",), ("idx",), "conditional"),
    "Rolling": (("function",), ("index_column",), "window"),
    "Slice": (("input",), ("offset", "length"), "conditional"),
    "Sort": (("expr",), (), ""),
    "SortBy": (("expr",), ("by",), "sort"),
    "Ternary": (("truthy", "falsy"), ("predicate",), "conditional"),
    "Window": (("function",), ("partition_by", "order_by"), "window"),
}


@dataclass(frozen=True)
class Expr:
    """A node of an expression."""

    kind: str
    """Polars' name of it, or ``Element``, ``Eval`` or ``Opaque``."""
    view: Any
    """Its parts; None where Polars shows none."""

    def parts(self, names: Iterable[str]) -> list[int]:
        """Collect the expressions that are the named parts of it."""
        found: list[int] = []
        for name in names:
            part = getattr(self.view, name)
            if part is not None:
                found += part if isinstance(part, list) else [part]
        return found

    def all_parts(self) -> list[int]:
        """Collect the expressions that it is made of, or influenced by."""
        values, influences, _ = PARTS.get(self.kind, ((), (), ""))
        return self.parts((*values, *influences))


class Ir:
    """An unoptimized plan whose schemas are resolved."""

    def __init__(self, lf: pl.LazyFrame) -> None:
        # Without optimizations the plan is what was written, projections included.
        flags = pl.QueryOptFlags.none()._pyoptflags  # pyright: ignore[reportPrivateUsage]
        self._visitor = lf._ldf.with_optimizations(flags).visit()  # pyright: ignore[reportPrivateUsage]
        if self._visitor.version() != VERSION:
            raise NotFollowed(f"plan view {self._visitor.version()}")
        self.root = self._visitor.get_node()
        self._exprs: dict[int, Expr] = {}
        self._shown: set[int] = set()
        self._roots: list[int] = []
        """Of expressions that are shown, but not yet in `_shown`."""

    def node(self, node: int) -> Node:
        """Look at a node of the plan; one that Polars does not show is ``Opaque``."""
        self._visitor.set_node(node)
        inputs = tuple(self._visitor.get_inputs())
        schema = dict(self._visitor.get_schema())
        self._roots += [root.node for root in self._visitor.get_exprs()]
        try:
            view = self._visitor.view_current_node()
        except NotImplementedError:
            return Node("Opaque", None, inputs, schema)
        return Node(type(view).__name__, view, inputs, schema)

    def expr(self, expr: int) -> Expr:
        """Look at an expression."""
        if expr not in self._exprs:
            self._exprs[expr] = self._look(expr)
        return self._exprs[expr]

    def eval_parts(self, expr: int) -> tuple[int, int]:
        """Find what a ``list.eval`` is applied to, and what it evaluates.

        NOTE: Polars does not show the parts of this one expression. It stores them just
        before it: all that belongs to the input, then all of what is evaluated; type
        coercion leaves literals behind that belong to nothing. What does not look like
        this, or belongs to another expression, is refused.
        """
        while self._roots:  # few plans ask for it
            self._shown.update(self._below(self._roots.pop()))
        evaluated = expr - 1
        input_ = self._first(evaluated) - 1
        while input_ >= 0 and self.expr(input_).kind == "Literal":
            input_ -= 1
        if (
            input_ < 0
            or self._shown & {evaluated, input_}
            or "Element" not in self._kinds(evaluated)
            or not {"Column", "Eval"} & self._kinds(input_)
            or "Element" in self._kinds(input_)
        ):
            raise NotFollowed("list.eval")
        return input_, evaluated

    def _look(self, expr: int) -> Expr:
        """Ask Polars for an expression."""
        try:
            view = self._visitor.view_expression(expr)
        # Polars panics where it has no way to show a literal.
        except (NotImplementedError, PanicException) as error:
            kinds = {"element": "Element", "list.eval": "Eval"}
            return Expr(kinds.get(str(error), "Opaque"), None)
        return Expr(type(view).__name__, view)

    def _below(self, root: int) -> Iterator[int]:
        """Walk an expression and all that Polars shows below it."""
        waiting = [root]
        while waiting:
            at = waiting.pop()
            yield at
            waiting += self.expr(at).all_parts()

    def _kinds(self, root: int) -> set[str]:
        """Name the kinds of expressions in one."""
        return {self.expr(at).kind for at in self._below(root)}

    def _first(self, root: int) -> int:
        """Find where Polars began to store an expression."""
        return min(
            self._first(self.eval_parts(at)[0]) if self.expr(at).kind == "Eval" else at
            for at in self._below(root)
        )
