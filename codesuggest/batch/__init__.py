"""Batch scoring: whole folders and tables of notes, on many cores or a cluster, restartable.

>>> from codesuggest.batch import score
>>> report = score("notes.jsonl", to="suggestions.jsonl", workers=8)  # doctest: +SKIP
>>> print(report)  # doctest: +SKIP

A run goes this way::

    notes/sources.py    notes, lazily and in order
    run.py              chunks of notes ──► executor ──► results in order ──► spool ──► output, in one move
    executors.py        processes on this machine (loky), a Dask cluster, or this process
    work.py             what a worker does with a chunk
    encode.py           results as JSON lines, Arrow batches or flat rows
    spool.py            what is done so far, safe against a kill at any moment
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codesuggest.batch.anchoring import Anchored, anchor, anchor_decisions, anchor_excerpts
    from codesuggest.batch.report import ScoreReport
    from codesuggest.batch.run import score
    from codesuggest.batch.spark import spark_schema, spark_score
    from codesuggest.batch.tables import arrow_schema

__all__ = [
    "Anchored",
    "ScoreReport",
    "anchor",
    "anchor_decisions",
    "anchor_excerpts",
    "arrow_schema",
    "score",
    "spark_schema",
    "spark_score",
]

_MODULES = {
    "Anchored": "anchoring",
    "anchor": "anchoring",
    "anchor_decisions": "anchoring",
    "anchor_excerpts": "anchoring",
    "ScoreReport": "report",
    "score": "run",
    "spark_schema": "spark",
    "spark_score": "spark",
    "arrow_schema": "tables",
}


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for: one suggestion on the command line needs none of them."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"codesuggest.batch.{module}"), name)
    globals()[name] = value
    return value
