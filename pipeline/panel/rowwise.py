"""SQL expressions that look at one row: what they may call, read from their words."""

import re

from pipeline.errors import nearest

_FUNCTIONS = (
    *("abs", "cbrt", "ceil", "ceiling", "degrees", "div", "exp", "floor", "ln"),
    *("log", "log10", "log1p", "log2", "mod", "pi", "pow", "power", "radians"),
    *("round", "sign", "sqrt", "acos", "acosd", "asin", "asind", "atan", "atan2"),
    *("atand", "cos", "cosd", "cot", "cotd", "sin", "sind", "tan", "tand"),
    *("bit_and", "bit_or", "bit_xor", "coalesce", "greatest", "if", "ifnull"),
    *("least", "nullif", "cast", "try_cast", "bit_length", "char_length"),
    *("character_length", "concat", "concat_ws", "date", "date_part", "ends_with"),
    *("extract", "initcap", "left", "length", "lower", "ltrim", "normalize"),
    *("octet_length", "regexp_like", "replace", "reverse", "right", "rtrim"),
    *("starts_with", "strftime", "strpos", "strptime", "substr", "substring"),
    *("timestamp", "trim", "upper"),
)
_KEYWORDS = (
    *("and", "or", "not", "in", "when", "then", "else", "case", "between", "like"),
    *("ilike", "is", "as", "xor"),
)
_NOT_HERE = (
    *("select", "over", "distinct", "filter", "union", "join", "with"),
    *("current_date", "current_time", "current_timestamp", "localtime"),
    *("localtimestamp", "now"),
)
"""They look at other rows, or at a clock."""

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")


def refuse_other_rows(sql: str) -> None:
    """Refuse an expression that could look at another row than its own.

    Raises
    ------
    ValueError
        If it calls what is not in the list above, as aggregates and windows, or asks a
        clock, or is more than one expression.
    """
    bare = _QUOTED.sub("'", sql).lower()
    called = re.findall(r"\b([a-z_]\w*)\s*\(", bare)
    wrong = [
        *(name for name in called if name not in (*_FUNCTIONS, *_KEYWORDS, *_NOT_HERE)),
        *(word for word in re.findall(r"[a-z_]\w*", bare) if word in _NOT_HERE),
    ]
    if wrong:
        raise ValueError(
            f"expected an expression of one row, found `{wrong[0]}`"
            f"{nearest(wrong[0], _FUNCTIONS)} in: {sql}"
        )
    if not _is_one(bare):
        raise ValueError(f"expected one expression, found: {sql}")


def _is_one(bare: str) -> bool:
    """Tell whether nothing is opened or closed that is not the expression's own."""
    depth = 0
    for sign in bare:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return False
    is_blank = not bare.strip()
    return depth == 0 and not is_blank and not re.search(r";|--|/\*", bare)
