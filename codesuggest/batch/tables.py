"""Results as tables: the Arrow schema of a result, and one flat row a suggestion.

The nested schema is made from the published JSON Schema (`codesuggest.schema`), so the two cannot drift apart. Its version stands
in the metadata of the file under ``codesuggest.schema``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from codesuggest.notes.tables import arrow

__all__ = ["FLAT_COLUMNS", "SCHEMA_VERSION", "arrow_schema", "flat_rows", "for_spreadsheet", "to_batch"]

SCHEMA_VERSION = "1"

FLAT_COLUMNS: tuple[tuple[str, str], ...] = (
    ("note_id", "string"),
    ("rank", "integer"),
    ("code", "string"),
    ("system", "string"),
    ("description", "string"),
    ("probability", "number"),
    ("selected", "boolean"),
    ("billable", "boolean"),
    ("status", "string"),
    ("evidence", "string"),
    ("evidence_spans", "string"),
    ("sections", "string"),
    ("alternatives", "string"),
    ("note", "string"),
    ("error_id", "string"),
    ("error", "string"),
    ("text_sha256", "string"),
    ("codesuggest", "string"),
    ("model", "string"),
    ("icd10cm", "string"),
)
"""Columns of ``--flat`` and their JSON types. ``evidence`` joins the excerpts with " | "; ``evidence_spans`` their "start-end"."""


def arrow_schema(*, flat: bool = False) -> Any:  # noqa: ANN401 - a pyarrow.Schema, of an optional package
    """Return the Arrow schema of the output, made from the published JSON Schema.

    Parameters
    ----------
    flat : bool
        One row a suggestion instead of one row a note.

    Returns
    -------
    pyarrow.Schema
        A note that failed has a value in ``error`` (flat: ``error_id``) and null elsewhere.

    Examples
    --------
    >>> arrow_schema().field("note_id").type
    DataType(string)
    """
    pa = arrow("pyarrow")
    metadata = {"codesuggest.schema": SCHEMA_VERSION, "codesuggest.layout": "flat" if flat else "nested"}
    if flat:
        return pa.schema([pa.field(n, _type(pa, {"type": t}, {})) for n, t in FLAT_COLUMNS], metadata)
    from codesuggest.schema import json_schema

    published = json_schema()
    objects = published["$defs"]
    fields = {**objects["ResultObject"]["properties"], "error": {"$ref": "#/$defs/ErrorObject"}}
    return pa.schema([pa.field(name, _type(pa, value, objects)) for name, value in fields.items()], metadata)


def _type(pa: Any, value: Mapping[str, Any], objects: Mapping[str, Any]) -> Any:  # noqa: ANN401 - Arrow types
    """Return the Arrow type of a JSON Schema."""
    if "$ref" in value:
        return _type(pa, objects[value["$ref"].rpartition("/")[2]], objects)
    if "anyOf" in value:
        return _type(pa, next(v for v in value["anyOf"] if v.get("type") != "null"), objects)
    kind = value.get("type") or ("integer" if isinstance(value.get("const"), int) else "string")
    if kind == "array":
        return pa.list_(pa.field("item", _type(pa, value["items"], objects)))
    if kind == "object":
        if "properties" in value:
            return pa.struct([pa.field(n, _type(pa, v, objects)) for n, v in value["properties"].items()])
        return pa.map_(pa.string(), _type(pa, value["additionalProperties"], objects))
    return {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}[kind]


def to_batch(rows: list[dict[str, Any]], *, flat: bool) -> Any:  # noqa: ANN401 - a pyarrow.RecordBatch
    """Make a record batch of the JSON objects of results."""
    pa = arrow("pyarrow")
    schema = arrow_schema(flat=flat)
    if flat:
        rows = [row for result in rows for row in flat_rows(result)]
    try:
        return pa.RecordBatch.from_pylist(rows, schema=schema)
    except UnicodeEncodeError:  # half of a surrogate pair in a note: one character for one, so that offsets hold
        return pa.RecordBatch.from_pylist(_without_surrogates(rows), schema=schema)


_SURROGATE = re.compile("[\ud800-\udfff]")


def _without_surrogates(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {k: _without_surrogates(v) for k, v in value.items()}
    return [_without_surrogates(v) for v in value] if isinstance(value, list) else value


def flat_rows(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one row a suggestion; one row with an error, or with no code, where a note has none.

    Examples
    --------
    >>> from codesuggest import Failure
    >>> [row["error_id"] for row in flat_rows(Failure("n1", "CS150", "The note is empty.").to_dict())]
    ['CS150']
    """
    empty: dict[str, Any] = dict.fromkeys((name for name, _ in FLAT_COLUMNS), None)
    empty["note_id"] = result["note_id"]
    if "error" in result:
        yield {**empty, "error_id": result["error"]["id"], "error": result["error"]["message"]}
        return
    versions = result["versions"]
    empty["text_sha256"] = result["text_sha256"]
    empty.update({name: versions.get(name) for name in ("codesuggest", "model", "icd10cm")})
    if not result["suggestions"]:
        yield empty
    for s in result["suggestions"]:
        row = dict(empty)
        for name in ("rank", "code", "system", "description", "probability", "selected", "billable", "status", "note"):
            row[name] = s[name]
        row["evidence"] = " | ".join(" ".join(e["excerpt"].split()) for e in s["evidence"])
        row["evidence_spans"] = ";".join(f"{e['start']}-{e['end']}" for e in s["evidence"])
        row["sections"] = ";".join(dict.fromkeys(e["section"] for e in s["evidence"]))
        row["alternatives"] = ";".join(s["alternatives"])
        yield row


def for_spreadsheet(value: object) -> object:
    """Return a cell that a spreadsheet shows as text: one that it would run as a formula gets an apostrophe before it.

    Examples
    --------
    >>> for_spreadsheet("=1+1"), for_spreadsheet(0.5), for_spreadsheet(None), for_spreadsheet(True)
    ("'=1+1", 0.5, '', 'true')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
