"""What learning reads: notes with the codes people decided on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codesuggest.errors import InvalidSpanError
from codesuggest.records import Note, Span

__all__ = ["CodedExample", "Reference"]


@dataclass(frozen=True, slots=True)
class Reference:
    """One piece of evidence: one half-open range of characters, or several that are read together.

    Parameters
    ----------
    spans : tuple of Span
        In the order of the text, not overlapping; at least one.

    Raises
    ------
    InvalidSpanError
        CS523 when there is no range.

    Examples
    --------
    >>> Reference((Span(0, 6), Span(20, 24))).hull
    Span(start=0, end=24)
    """

    spans: tuple[Span, ...]

    def __post_init__(self) -> None:
        if not self.spans:
            raise InvalidSpanError(
                "CS523",
                "A reference has no range of characters: 0 given. Expected at least one. Leave the reference out when the evidence is not known.",
            )
        object.__setattr__(self, "spans", tuple(sorted(self.spans, key=lambda s: (s.start, s.end))))

    @property
    def hull(self) -> Span:
        """The range from the first character to the last."""
        return Span(self.spans[0].start, max(s.end for s in self.spans))


@dataclass(frozen=True, slots=True)
class CodedExample:
    """One note with what people decided about it.

    Parameters
    ----------
    note_id : str
    text : str
        Never printed.
    group : str
        The encounter: no encounter is on both sides of a fold.
    positives : mapping of code to references
        Final codes, with their evidence; an empty tuple where nobody marked any.
    negatives : set of str
        Codes rejected, or shown and passed over. What is not named is taken as not coded, with less weight.
    weights : mapping of code to float
        How much a decision counts, greater than 0; 1 where it is absent.
    kind, coder : str, optional

    Examples
    --------
    >>> CodedExample("n1", "Asma.", "e1", {"J45.909": (Reference((Span(0, 4),)),)}).has_evidence
    True
    """

    note_id: str
    text: str = field(repr=False)
    group: str
    positives: Mapping[str, tuple[Reference, ...]]
    negatives: frozenset[str] = frozenset()
    weights: Mapping[str, float] = field(default_factory=dict)
    kind: str | None = None
    coder: str | None = None

    @property
    def has_evidence(self) -> bool:
        """Whether any code has evidence."""
        return any(self.positives.values())

    def note(self) -> Note:
        """Return the note alone."""
        return Note(self.note_id, self.text, kind=self.kind, encounter_id=self.group or None)
