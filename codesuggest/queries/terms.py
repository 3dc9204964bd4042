"""Names of treatments, findings and organisms found in a note: one pass for all three tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from codesuggest.queries.places import Place
from codesuggest.queries.spelling import Names, key_of, read_table

__all__ = ["Hit", "Term", "find_terms", "load_terms"]

_TABLES = resources.files("codesuggest.queries").joinpath("tables")


@dataclass(frozen=True, slots=True)
class Term:
    """A row of `treatments.tsv`, `findings.tsv` or `organisms.tsv`.

    Parameters
    ----------
    table : {"treatments", "findings", "organisms"}
    name : str
    category : str
        Category of the indicator; for an organism its kind.
    group : str
        Class of a treatment, region of an imaging finding.
    """

    table: str
    name: str
    category: str
    group: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A term at a place. `mark` is "#" or "~" when the table asks for a dose or a word of giving beside it."""

    start: int
    end: int
    term: Term
    mark: str


@lru_cache(maxsize=1)
def load_terms() -> tuple[tuple[Term, tuple[str, ...]], ...]:
    """Read the three tables: each term with its names.

    Examples
    --------
    >>> next(names[:2] for term, names in load_terms() if term.name == "naloxone")
    ('naloxone', 'narcan')
    """
    terms = []
    for table, category, group in (
        ("treatments", "category", "class"),
        ("findings", "category", "region"),
        ("organisms", "kind", "kind"),
    ):
        for row in read_table(_TABLES.joinpath(f"{table}.tsv").read_text(encoding="utf-8")):
            terms.append((Term(table, row["name"], row[category], row[group]), tuple(row["names"].split(";"))))
    return tuple(terms)


@lru_cache(maxsize=1)
def _lexicon() -> tuple[Names, dict[str, list[tuple[str, str, Term]]]]:
    names: dict[str, list[tuple[str, str, Term]]] = {}
    for term, written in load_terms():
        for name in sorted(written, key=lambda name: name[0] in "=#~"):  # a name without a mark goes before the same with one
            mark, spelling = (name[0], name[1:]) if name[0] in "=#~" else ("", name)
            entries = names.setdefault(key_of(spelling), [])
            if not any(known is term for _, _, known in entries):
                entries.append((mark, spelling, term))
    return Names(names), names


def find_terms(place: Place) -> Iterator[Hit]:
    """Yield the terms of a note in order; the longest name at each place, once for each table that has it."""
    finder, names = _lexicon()
    for m in finder.find(place.lower, place.words):
        written = place.text[m.start() : m.end()]
        for mark, spelling, term in names[key_of(m[0])]:
            if mark != "=" or written == spelling:
                yield Hit(m.start(), m.end(), term, mark)
