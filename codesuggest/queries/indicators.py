"""Every clinical indicator of a note, in the order of the text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

from codesuggest.queries.values import Indicator
from codesuggest.records import Section

__all__ = ["Indicator", "find_indicators"]

_READERS: tuple[Callable[..., Iterable[Indicator]], ...] = ()


def find_indicators(
    text: str,
    *,
    sections: Sequence[Section] = (),
    age_years: float | None = None,
    sex: str | None = None,
    date_of_service: dt.date | None = None,
) -> tuple[Indicator, ...]:
    """Find laboratory values, vital signs, treatments, imaging and cultures.

    Parameters
    ----------
    text : str
        The note.
    sections : sequence of Section, optional
        Parts of the note, in order. They name the section of each indicator and tell home medicines from those given.
    age_years : float, optional
    sex : {"F", "M", "X"}, optional
        Both choose the reference ranges of the table.
    date_of_service : datetime.date, optional
        Gives dates without a year their year.

    Returns
    -------
    tuple of Indicator
        By place in the text.
    """
    found = [indicator for reader in _READERS for indicator in reader(text)]
    return tuple(sorted(found, key=lambda i: (i.span.start, i.span.end, i.name)))
