"""From the decision log to what learning reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from codesuggest.codes.code import ICD10CM
from codesuggest.decisions.training import WEIGHTS, Anchor, TrainingRows, notes_of, training_rows
from codesuggest.learn.examples import CodedExample, Reference
from codesuggest.records import Note

if TYPE_CHECKING:
    from codesuggest.codes.releases import Releases
    from codesuggest.decisions import DecisionLog

__all__ = ["coded_examples", "examples_from_log"]


def coded_examples(rows: TrainingRows, notes: Mapping[str, Note]) -> Iterator[CodedExample]:
    """Yield the examples of training rows, in their order, with the texts.

    Codes that were passed over are negatives like rejected ones; their weights tell them apart.

    Examples
    --------
    >>> from codesuggest.decisions.training import TrainingRow
    >>> row = TrainingRow("n1", "e1", {"J45.909": ()}, passed_over=frozenset({"R05.9"}), weights={"R05.9": 0.25})
    >>> rows = TrainingRows("ICD-10-CM", "", (row,), (), (), 1, False)
    >>> next(coded_examples(rows, {"n1": Note("n1", "Asthma.")})).negatives
    frozenset({'R05.9'})
    """
    for row in rows.rows:
        yield CodedExample(
            row.note_id,
            notes[row.note_id].text,
            row.group,
            {code: tuple(Reference(spans) for spans in references) for code, references in row.positives.items()},
            row.rejected | row.passed_over,
            row.weights,
            row.kind,
            row.coder,
        )


def examples_from_log(
    log: DecisionLog,
    notes: Mapping[str, Note | str] | str | Path,
    *,
    system: str = ICD10CM,
    releases: Releases | None = None,
    day: date | None = None,
    supported: Callable[[Note, str], bool] | None = None,
    anchor: Anchor | None = None,
    weights: Mapping[str, float] = WEIGHTS,
) -> tuple[list[CodedExample], TrainingRows]:
    """Return the examples of a log, and the rows they were made of, with everything that was left out.

    Parameters and errors are those of `codesuggest.decisions.training.training_rows`.

    Examples
    --------
    >>> from codesuggest.decisions import DecisionLog
    >>> with DecisionLog("sqlite://") as log:
    ...     examples_from_log(log, {})[0]
    []
    """
    known = notes_of(notes)
    rows = training_rows(
        log, known, system=system, releases=releases, day=day, supported=supported, anchor=anchor, weights=weights
    )
    return list(coded_examples(rows, known)), rows
