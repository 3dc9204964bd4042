"""Every clinical indicator of a note, in the order of the text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from codesuggest.queries.findings import finding_names, read_findings
from codesuggest.queries.labs import read_quantities
from codesuggest.queries.microbiology import SOURCES, read_microbiology
from codesuggest.queries.places import Place
from codesuggest.queries.quantities import load_quantities
from codesuggest.queries.reading import Patient
from codesuggest.queries.terms import find_terms
from codesuggest.queries.treatments import read_treatments, treatment_names
from codesuggest.queries.values import Indicator
from codesuggest.queries.vitals import read_vitals
from codesuggest.records import Section

__all__ = ["Indicator", "find_indicators", "indicator_names"]


def find_indicators(
    text: str,
    *,
    sections: Sequence[Section] = (),
    age_years: float | None = None,
    sex: str | None = None,
    date_of_service: dt.date | None = None,
) -> tuple[Indicator, ...]:
    """Find laboratory values, vital signs, treatments, imaging, cultures and signs on examination.

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

    Examples
    --------
    >>> for i in find_indicators("Na 128 (L), Hgb 7.2 -> 6.8 g/dL. BP 85/50. Goal K > 4."):
    ...     print(i.name, i.value, i.unit, i.flag, i.interpretation)
    sodium 128.0 mmol/L L low
    hemoglobin 7.2 g/dL  low
    hemoglobin 6.8 g/dL  low
    systolic_bp 85.0 mmHg  critical_low
    diastolic_bp 50.0 mmHg  low
    """
    place = Place(text, sections, date_of_service)
    patient = Patient(age_years, sex)
    quantities, _ = read_quantities(place, patient)
    found = read_vitals(place, patient, quantities)
    terms = list(find_terms(place))
    found += read_treatments(place, terms)
    found += read_findings(place, terms)
    found += read_microbiology(place, terms)
    return tuple(sorted(found, key=lambda i: (i.span.start, i.span.end)))


def indicator_names() -> frozenset[str]:
    """Return every name that :func:`find_indicators` may give.

    Examples
    --------
    >>> {"sodium", "spo2", "naloxone", "blood_culture", "chest_imaging:consolidation"} <= indicator_names()
    True
    """
    return frozenset(
        (
            *(quantity.name for quantity in load_quantities()),
            *treatment_names(),
            *finding_names(),
            *SOURCES,
            "weight_loss",
            "weight_loss_percent",
        )
    )
