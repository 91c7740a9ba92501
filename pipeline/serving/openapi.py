"""What can be asked of a server, for programs (OpenAPI 3.1) and for people."""

import html
import json
from collections.abc import Iterator
from typing import Any

from pipeline.serving.champion import Champion
from pipeline.serving.formats import JSON, TYPES
from pipeline.sources.columns import column_of

_TYPES = {
    **dict.fromkeys(("code", "count", "integer"), "integer"),
    **dict.fromkeys(("money", "number", "percent"), "number"),
    "flag": "boolean",
}
"""What cells are in JSON, by the kind of their column; others are text."""

_EXAMPLES = {
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "string": "a",
}

_REFUSALS = {
    "400": "Not what its header says.",
    "401": "No token, or another one.",
    "406": "The answer is not given as what `Accept` names.",
    "413": "Too large.",
    "415": "Of no such media type.",
    "422": "Rows that cannot be used: which, and why.",
    "503": "Too many requests, not done in time, or the champion is being loaded.",
}


def document(champion: Champion) -> dict[str, Any]:
    """Describe paths, rows and answers."""
    modeling = champion.settings.modeling
    entity, time = modeling.entity, modeling.time
    what = f"{modeling.target} ({modeling.unit})" if modeling.unit else modeling.target
    title = f"{champion.version.name} version {champion.version.number}"
    asked = {
        "required": True,
        "content": {
            type_: {"schema": {"$ref": "#/components/schemas/Rows"}}
            if type_ == JSON
            else {}
            for type_ in TYPES
        },
    }
    refusals = {
        status: {
            "description": text,
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, text in _REFUSALS.items()
    }

    def answers(text: str, schema: str) -> dict[str, Any]:
        content = {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
        return {"200": {"description": text, "content": content}}

    def get(text: str) -> dict[str, Any]:
        return {"get": {"summary": text, "responses": {"200": {"description": text}}}}

    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": str(champion.version.number),
            "description": (
                f"Predicts {what} by {', '.join(entity)}"
                f" for the {time} after the last one of the rows, by a {champion.model}"
                f" fitted through {champion.fitted_through}. Send all rows that a"
                f" {modeling.cluster} has of a {time}: a period that"
                " is given counts as given whole. What is not given is taken from the"
                " panel that the model has learned from."
            ),
        },
        "paths": {
            "/predict": {
                "post": {
                    "summary": "A prediction per row, as `just score` gives it.",
                    "description": "Header Accept chooses how it is written.",
                    "requestBody": asked,
                    "responses": answers("Predictions.", "Predictions") | refusals,
                }
            },
            "/explain": {
                "post": {
                    "summary": "What predictions are made of, by feature.",
                    "requestBody": asked,
                    "responses": answers("Explanations.", "Explanations") | refusals,
                }
            },
            "/health": get("Whether the server is alive."),
            "/ready": get("Whether it predicts, and by which version."),
            "/metrics": get("What it counts, for Prometheus."),
            "/openapi.json": get("This description."),
        },
        "components": {"schemas": _schemas(champion, [*entity, time])},
    }


def _schemas(champion: Champion, key: list[str]) -> dict[str, Any]:
    """Describe rows and answers."""
    columns = {
        name: {"type": _TYPES.get(column_of(kind).kind, "string")}
        for name, kind in champion.columns.items()
    }
    row = {"type": "object", "properties": columns, "required": [*columns]}
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
    number = {"type": ["number", "null"]}
    cell = {"row": {"type": "integer"}, "column": {}, "value": {}, "reason": {}}
    predicted = {
        **{name: {} for name in key},
        **dict.fromkeys(("prediction", "lower", "upper"), number),
    }
    about = {"model": {"type": "string"}, "version": {"type": "integer"}}
    refused = {"refused": _list_of(cell)}
    return {
        "Row": row,
        "Rows": {
            "oneOf": [rows, {"type": "object", "properties": {"rows": rows}}],
            "examples": [
                [{name: _EXAMPLES[str(of["type"])] for name, of in columns.items()}]
            ],
        },
        "Predictions": {
            "type": "object",
            "properties": {
                **about,
                **refused,
                "warnings": {"type": "array", "items": {"type": "string"}},
                "predictions": _list_of(predicted),
            },
        },
        "Explanations": {
            "type": "object",
            "properties": {
                **about,
                **refused,
                "unit": {"type": "string"},
                "explained": _list_of(
                    {
                        "key": {"type": "object"},
                        "prediction": number,
                        "past": {},
                        "base": number,
                        "contributions": _list_of(
                            {"feature": {}, "value": {}, "amount": number}
                        ),
                        "fitted": {"type": "string"},
                        "interval": {"type": "object"},
                    }
                ),
            },
        },
        "Error": {
            "type": "object",
            "properties": {
                "error": {"type": "string"},
                "found": {"type": "array", "items": {"type": "string"}},
                "hint": {"type": "string"},
            },
        },
    }


def _list_of(properties: dict[str, Any]) -> dict[str, Any]:
    """Describe a list of objects."""
    return {"type": "array", "items": {"type": "object", "properties": properties}}


def as_page(described: dict[str, Any]) -> str:
    """Write a description as a page that needs nothing from elsewhere."""
    return "\n".join(_page(described))


def _page(described: dict[str, Any]) -> Iterator[str]:
    info, schemas = described["info"], described["components"]["schemas"]
    example = json.dumps(schemas["Rows"]["examples"][0], ensure_ascii=False)
    yield '<!doctype html><html lang="en"><meta charset="utf-8">'
    yield f"<title>{html.escape(info['title'])}</title><style>{_STYLE}</style>"
    yield f"<h1>{html.escape(info['title'])}</h1>"
    yield f"<p>{html.escape(info['description'])}</p><h2>Paths</h2><table>"
    for path, methods in described["paths"].items():
        for method, of in methods.items():
            shown = f"<a href='{path}'>{path}</a>" if method == "get" else path
            yield f"<tr><td>{method.upper()}<td><code>{shown}</code>"
            yield f"<td>{html.escape(of['summary'])}"
    yield "</table><h2>Columns of a row</h2><table>"
    for name, of in schemas["Row"]["properties"].items():
        yield f"<tr><td><code>{html.escape(name)}</code><td>{of['type']}"
    yield "</table><p>As JSON, CSV, a stream of Arrow (not compressed), or Parquet;"
    yield " their types are:</p>"
    yield f"<ul>{''.join(f'<li><code>{type_}</code>' for type_ in TYPES)}</ul>"
    yield f"<pre>POST /predict\nContent-Type: {JSON}\n\n{html.escape(example)}</pre>"
    yield "<h2>Refusals</h2><table>"
    for status, text in _REFUSALS.items():
        yield f"<tr><td>{status}<td>{html.escape(text)}"
    yield "</table></html>"


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;"
    "padding:0 1rem}td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
    "pre{overflow:auto;padding:1rem;background:#8882}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#9cf}}"
)
