"""What an expression depends on, by a walk from its columns up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from pipeline.lineage.ir import PARTS, Expr, Ir, NotFollowed
from pipeline.lineage.value import (
    NOTHING,
    Deps,
    Value,
    aggregate,
    choose,
    combine,
    field_of,
    through,
)

# Functions that give a value per row, or one for all rows. Those of other names are
# taken to change how many rows there are, which at worst says too much.
_ROWWISE = {
    *("abs", "as_struct", "clip", "coalesce", "cum_count", "cum_max", "cum_min"),
    *("cum_prod", "cum_sum", "diff", "exp", "fill_null", "fill_null_with_strategy"),
    *("log", "max_horizontal", "mean_horizontal", "min_horizontal", "n_unique", "pow"),
    *("quantile", "rank", "replace", "replace_strict", "round", "shift", "sign"),
    *("sqrt", "sum_horizontal"),
}
_ROWWISE_NAMESPACES = {
    *("BooleanFunction", "ListFunction", "RollingFunction", "RollingFunctionBy"),
    *("StringFunction", "StructFunction", "TemporalFunction"),
}


@dataclass(frozen=True)
class Scope:
    """What an expression sees."""

    ir: Ir
    columns: Mapping[str, Value]
    """Those it can name."""
    rows: Deps
    """What decides which rows there are, and their order."""
    everything: Value
    """What may depend on every input column of the stage."""
    element: Value | None = None
    """Within ``list.eval``: the elements of the list."""


def value_of(scope: Scope, root: int, dtype: pl.DataType | None = None) -> Value:
    """Tell what an expression depends on: `scope.everything` where it cannot be told.

    The dtype, where known, names the fields of a struct.
    """
    expr = scope.ir.expr(root)
    match expr.kind:
        case "Column":
            return scope.columns[expr.view.name]
        case "Literal":
            return Value()
        case "Len":
            return Value(scope.rows)
        case "Element":
            return scope.element or scope.everything
        case "Eval":
            return _eval(scope, root)
        case "Function":
            return _function(scope, expr, dtype)
        case "Agg" if expr.view.name == "implode":
            return _implode(scope, expr, dtype)
        case kind if kind in PARTS:
            return _composed(scope, expr, dtype)
        case _:
            return scope.everything


def keeps_rows(ir: Ir, root: int) -> bool:
    """Tell if an expression surely has a value per row, or one for all rows."""
    expr = ir.expr(root)
    match expr.kind:
        case "Column" | "Literal" | "Len" | "Agg" | "Eval" | "Rolling":
            return True
        case "Window":
            return expr.view.options.kind == "groups_to_rows"
        case "Function":
            name = expr.view.function_data[0]
            known = name in _ROWWISE or type(name).__name__ in _ROWWISE_NAMESPACES
        case kind:
            known = kind in {"Alias", "BinaryExpr", "Cast", "Sort", "SortBy", "Ternary"}
    if not known:
        return False
    return all(keeps_rows(ir, part) for part in expr.all_parts())


def _composed(scope: Scope, expr: Expr, dtype: pl.DataType | None) -> Value:
    """Follow an expression of which nothing but its parts matters."""
    names, others, kind = PARTS[expr.kind]
    same = dtype if expr.kind in {"Alias", "Ternary"} else None
    values = [value_of(scope, part, same) for part in expr.parts(names)]
    influences = [value_of(scope, part) for part in expr.parts(others)]
    by = NOTHING.union(*(through(kind, value.total) for value in influences))
    if expr.kind == "Ternary":
        return choose(values, by)
    if expr.kind == "Alias":
        return values[0]
    made = combine(values, "aggregation" if expr.kind == "Agg" else "transformation")
    return Value(made.deps | by)


def _function(scope: Scope, expr: Expr, dtype: pl.DataType | None) -> Value:
    """Follow a function; those that make and take apart structs, field by field."""
    name, *arguments = expr.view.function_data
    values = [value_of(scope, part) for part in expr.parts(("input",))]
    match str(name):
        case "as_struct" if isinstance(dtype, pl.Struct):
            names = [field.name for field in dtype.fields]
            return Value(fields=dict(zip(names, values, strict=True)))
        case "StructFunction.FieldByName":
            return field_of(values[0], arguments[0])
        case "ListFunction.Length":
            return Value(through("transformation", values[0].length))
        case "ListFunction.Get":
            index = through("conditional", values[1].total | values[0].length)
            taken = through("transformation", values[0].deps)
            return Value(taken | index, values[0].fields)
        case "quantile":
            return combine(values, "aggregation")
        case _:
            return combine(values, "transformation")


def _implode(scope: Scope, expr: Expr, dtype: pl.DataType | None) -> Value:
    """Follow the values of a group into a list, whose length is the group's."""
    [part] = expr.parts(("arguments",))
    inner = dtype.inner if isinstance(dtype, pl.List) else None
    value = value_of(scope, part, inner if isinstance(inner, pl.DataType) else None)
    lengths = NOTHING if keeps_rows(scope.ir, part) else value.total
    return aggregate(value, through("filter", lengths))


def _eval(scope: Scope, root: int) -> Value:
    """Follow what is done to the elements of a list."""
    try:
        input_, evaluated = scope.ir.eval_parts(root)
    except NotFollowed:
        return scope.everything
    value = value_of(scope, input_)
    inner = replace(scope, element=Value(value.deps, value.fields), rows=value.length)
    result = value_of(inner, evaluated)
    # A list of nothing stays one, so its length counts whatever is evaluated.
    shape = through("conditional", value.deps | value.length)
    return Value(through("transformation", result.total) | shape)
