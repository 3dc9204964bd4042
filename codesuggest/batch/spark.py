"""Scoring inside a Spark job: a function from record batches to record batches, for ``mapInArrow`` and ``mapInPandas``.

::

    from functools import partial
    from codesuggest.batch import spark_schema, spark_score

    codes = notes.mapInArrow(partial(spark_score, flat=True), schema=spark_schema(flat=True))

Spark cuts the table into partitions, runs them, and repeats those that are lost; nothing of that is done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from codesuggest.batch.tables import arrow_schema, to_batch
from codesuggest.batch.work import open_suggester, score_notes
from codesuggest.notes.columns import Columns
from codesuggest.notes.tables import arrow

__all__ = ["spark_schema", "spark_score"]

_ROWS = 64


def spark_score(
    batches: Iterable[Any],
    *,
    model: str | None = None,
    columns: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    flat: bool = False,
    threshold: float | None = None,
    timeout_s: float = 60.0,
) -> Iterator[Any]:
    """Score batches of notes as they come.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch, or of pandas.DataFrame
        With a column for each field of `Note` that is known; ``note_id`` and ``text`` are needed.
    model : str, optional
        Model folder as the workers see it; the default model when absent.
    columns : mapping of str to str, optional
        Field of `Note` to the name of its column.
    defaults : mapping, optional
        Values of fields that the table does not give.
    flat : bool
        One row a suggestion instead of one row a note.
    threshold : float, optional
        Probability from which a code is put forward; the model's own when absent.
    timeout_s : float
        Longest time for one note, in seconds.

    Yields
    ------
    pyarrow.RecordBatch or pandas.DataFrame
        Of the kind that came in, with the schema of `arrow_schema`; a note that cannot be read is a failure in its place.

    Examples
    --------
    >>> import pyarrow as pa
    >>> batch = pa.RecordBatch.from_pylist([{"note_id": "n1", "text": "Assessment: gout."}])
    >>> next(spark_score([batch], flat=True)).column("code")[0].as_py()
    'M10.9'
    """
    pa = arrow("pyarrow")
    mapping = Columns(columns, defaults)
    suggester = None
    number = 0
    for batch in batches:
        is_pandas = not hasattr(batch, "to_pylist")
        rows = (pa.RecordBatch.from_pandas(batch, preserve_index=False) if is_pandas else batch).to_pylist()
        mapping.chosen(list(batch.columns) if is_pandas else batch.schema.names)
        if suggester is None:
            suggester = open_suggester(model, threshold)
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            notes = [mapping.note(row, f"row {number + i}") for i, row in enumerate(part, 1)]
            number += len(part)
            found = to_batch(score_notes(suggester, notes, timeout_s=timeout_s), flat=flat)
            yield found.to_pandas() if is_pandas else found


def spark_schema(*, flat: bool = False) -> str:
    """Return the schema of what `spark_score` yields in Spark's own words (DDL).

    Examples
    --------
    >>> spark_schema(flat=True)[:35]
    '`note_id` STRING, `rank` BIGINT, `c'
    """
    return ", ".join(f"`{field.name}` {_ddl(field.type)}" for field in arrow_schema(flat=flat))


def _ddl(kind: Any) -> str:  # noqa: ANN401 - an Arrow type
    types = arrow("pyarrow.types")
    if types.is_struct(kind):
        return f"STRUCT<{', '.join(f'`{f.name}`: {_ddl(f.type)}' for f in kind)}>"
    if types.is_map(kind):
        return f"MAP<{_ddl(kind.key_type)}, {_ddl(kind.item_type)}>"
    if types.is_list(kind):
        return f"ARRAY<{_ddl(kind.value_type)}>"
    return {"string": "STRING", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}[str(kind)]
