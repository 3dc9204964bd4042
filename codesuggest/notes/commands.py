"""The command ``codesuggest notes``: what a file of messages holds, without coding it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from codesuggest.notes.document import Document, PassedOver, Reading, as_dict
from codesuggest.notes.reading import read_documents
from codesuggest.records import Failure
from codesuggest.terminal import console, print_json, reported

__all__ = ["notes_command"]


@reported
def notes_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Text, JSON lines, FHIR, C-CDA, HL7 v2 or HTML; '-' for standard input.")
    ],
    input_format: Annotated[
        str | None,
        typer.Option(
            "--format", help="text, jsonl, fhir, ccda, hl7 or html, where the ending or the beginning of FILE does not tell."
        ),
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="Show the text of each note as well.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a document, failure or thing passed over.")
    ] = False,
) -> None:
    """Show what was read: documents, sections, dates, patient age and sex, and what was not read and why.

    The text of a note is shown with --text only. Exit status: 0 everything was read or passed over, 2 something was refused.
    """
    counts: Counter[str] = Counter()
    out = console()
    for reading in _all(files, input_format):
        name = "read" if isinstance(reading, Document) else "refused" if isinstance(reading, Failure) else "passed over"
        counts[name] += reading.count if isinstance(reading, PassedOver) else 1
        if as_json:
            print_json(as_dict(reading, with_text=text))
        else:
            for line in _lines(reading, with_text=text):
                out.print(line, soft_wrap=True)
    if not as_json:
        out.print(f"{counts['read']} read, {counts['refused']} refused, {counts['passed over']} passed over")
    if counts["refused"]:
        raise typer.Exit(2)


def _all(files: list[Path], kind: str | None) -> Iterator[Reading]:
    for file in files:
        yield from read_documents(file, kind=kind)


def _lines(reading: Reading, *, with_text: bool) -> Iterator[str]:
    """Yield what people are told about a reading."""
    if isinstance(reading, PassedOver):
        yield f"passed over  {reading.place}: {reading.reason}" + (f" ({reading.count})" if reading.count > 1 else "")
    elif isinstance(reading, Failure):
        yield f"refused      {reading.note_id}: [{reading.error_id}] {reading.message}"
    else:
        note = reading.note
        yield f"read         {note.note_id}: {reading.source} in {reading.place}, {len(note.text):,} characters"
        facts = [
            note.kind or "kind unknown",
            note.date_of_service.isoformat() if note.date_of_service else "date unknown",
            note.setting or "setting unknown",
            f"age {note.age_years:g}" if note.age_years is not None else "age unknown",
            f"sex {note.sex}" if note.sex else "sex unknown",
            *([f"encounter {note.encounter_id}"] if note.encounter_id else []),
            *([f"payer {note.payer}"] if note.payer else []),
        ]
        yield f"             {' · '.join(facts)}"
        for part in reading.parts:
            code = f"  LOINC {part.code}" if part.code else ""
            yield f"             {part.span.start:>7}-{part.span.end:<7} {part.title or '(no title)'}{code}"
        for remark in reading.remarks:
            yield f"             note: {remark}"
        if with_text:
            yield note.text
            yield ""
