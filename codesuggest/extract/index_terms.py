"""Terms of the official indexes: Alphabetic Index, Index to External Causes, Table of Neoplasms, Table of Drugs.

A line of an index becomes the words a physician may write, in the index's order; the matcher does not mind the order.
``see`` is followed to the line it names. A manifestation code becomes a second entry with the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from codesuggest.codes import Release
from codesuggest.extract.lexicon import LexiconEntry, kind_of_code, term_words

if TYPE_CHECKING:
    from codesuggest.codes.readers import IndexEntry

__all__ = ["INDEX_SOURCE", "index_entries"]

INDEX_SOURCE = "index file"
_MAX_WORDS = 8
# How notes speak of a neoplasm, by the column of the table.
_NEOPLASM: dict[str, tuple[str, ...]] = {
    "Malignant Primary": ("{} cancer", "{} carcinoma", "malignant neoplasm of {}", "{} malignancy"),
    "Malignant Secondary": ("metastasis to {}", "secondary malignant neoplasm of {}"),
    "Ca in situ": ("carcinoma in situ of {}",),
    "Benign": ("benign neoplasm of {}", "benign tumor of {}"),
    "Uncertain Behavior": ("neoplasm of uncertain behavior of {}",),
    "Unspecified Behavior": ("{} neoplasm", "{} tumor"),
}
_DRUG: dict[str, tuple[str, ...]] = {
    "Poisoning Accidental (unintentional)": ("{} poisoning", "{} overdose", "accidental {} ingestion"),
    "Poisoning Intentional self-harm": ("intentional {} overdose", "suicide attempt by {}"),
    "Adverse effect": ("adverse effect of {}", "side effect of {}", "{} induced"),
    "Underdosing": ("underdosing of {}",),
}


def index_entries(index: Iterable[IndexEntry], release: Release) -> list[LexiconEntry]:
    """Make lexicon entries of an index file.

    Parameters
    ----------
    index : iterable of IndexEntry
        As :func:`codesuggest.codes.readers.read_index` returns them.
    release : Release
        Codes it does not hold are passed over.

    Returns
    -------
    list of LexiconEntry
        Source ``"index file"``; they yield to the reviewed lexicon.

    Examples
    --------
    >>> from codesuggest.codes.readers import IndexCode, IndexEntry
    >>> from codesuggest.codes import Releases
    >>> import datetime
    >>> release = Releases().on(datetime.date(2026, 5, 4))
    >>> line = IndexEntry(("Colic", "renal"), (), IndexCode("N23", False), None, "", (), (), ())
    >>> index_entries([line], release)[0].term
    'Colic renal'
    """
    rows = list(index)
    by_path = {_path(", ".join(row.terms)): row for row in rows}
    entries: list[LexiconEntry] = []
    for row in rows:
        target: IndexEntry | None = row
        if row.code is None and not row.cells and row.see:
            target = next((by_path[_path(s)] for s in row.see if _path(s) in by_path), None)
        if target is None:
            continue
        term = " ".join(t.replace(",", " ") for t in row.terms)
        if target.cells:
            entries.extend(_from_cells(row.terms, target.cells, release))
            continue
        for code in (target.code, target.manifestation):
            if code is not None:
                entries.extend(_entry(term, code.code, release))
    return entries


def _path(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def _entry(term: str, code: str, release: Release) -> Iterator[LexiconEntry]:
    code = code.rstrip("-").rstrip(".")
    while code and code not in release and len(code) > 3:
        code = code[:-1].rstrip(".")
    if code in release and 1 <= len(term_words(term)) <= _MAX_WORDS and len(term) > 2:
        yield LexiconEntry(" ".join(term.split()), code, "", kind_of_code(code), "", INDEX_SOURCE)


def _from_cells(terms: tuple[str, ...], cells: Iterable[tuple[str, object]], release: Release) -> Iterator[LexiconEntry]:
    is_neoplasm = terms[0].lower().startswith("neoplasm")
    subject = " ".join(terms[1:] if is_neoplasm else terms).replace(",", " ")
    # "abdomen, abdominal": the first wording is enough, both would never stand together in a note
    subject = " ".join(t.split(",")[0] for t in (terms[1:] if is_neoplasm else terms)) or subject
    forms = _NEOPLASM if is_neoplasm else _DRUG
    for column, code in cells:
        for form in forms.get(column, ()):
            yield from _entry(form.format(subject), code.code, release)  # type: ignore[attr-defined]
