"""From the facts of an encounter to the queries worth a physician's time.

A trigger asks when all it needs is in the record, nothing silences it and no physician has answered already. One query a
topic, the most important first, and no more than a limit: precision counts more than number.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codesuggest.queries.case import Case, Reading
from codesuggest.queries.conditions import Item, now_there
from codesuggest.queries.indicators import find_indicators
from codesuggest.queries.triggers import Option, Trigger, TriggerTable, default_triggers
from codesuggest.queries.wording import OTHER, UNDETERMINED, QuotedIndicator, Wording, source_name
from codesuggest.records import Mention, Note, Query, QueryIndicator, Section, Span

__all__ = ["LIMIT", "NoteFacts", "raise_queries"]

LIMIT = {"inpatient": 5, "emergency": 3, "outpatient": 3}
"""Most queries of one encounter, by setting."""
_ADULT = 16  # years: the limits of the table are those of adults
_LINES = 10  # of indicators and answers together, so that a query has about fifteen lines
_LEAST_QUOTED = 4
_MOST_OF_ONE = 2
_LONGEST_QUOTE = 120


Neighbour = Callable[[str, str, str], str]


@dataclass(frozen=True, slots=True)
class NoteFacts:
    """A note and what was found in it before queries are thought of.

    Parameters
    ----------
    note : Note
    sections : sequence of Section
    mentions : sequence of Mention
    """

    note: Note
    sections: Sequence[Section] = ()
    mentions: Sequence[Mention] = ()


def raise_queries(
    notes: Sequence[NoteFacts],
    *,
    table: TriggerTable | None = None,
    wording: Wording | None = None,
    is_billable: Callable[[str], bool] | None = None,
    neighbour: Neighbour | None = None,
    limit: int | None = None,
) -> tuple[Query, ...]:
    """Raise the queries of one encounter.

    Parameters
    ----------
    notes : sequence of NoteFacts
        The notes of one encounter, in order of time.
    table : TriggerTable, optional
        The one that ships with the library without it.
    wording : Wording, optional
    is_billable : callable, optional
        Whether a code is billable on the date of service; codes that are not are left out of the answers.
    neighbour : callable, optional
        ``neighbour(code, old, new)``: the code whose title is that of `code` with other words in a place, empty without one.
    limit : int, optional
        Most queries of the encounter; by setting (`LIMIT`) without it.

    Returns
    -------
    tuple of Query
        By falling importance.

    Examples
    --------
    >>> note = Note("n1", "HOSPITAL COURSE: Na 121 on arrival, treated with fluid restriction.", setting="inpatient")
    >>> [(q.topic, q.options[0], q.codes_by_option[q.options[0]]) for q in raise_queries([NoteFacts(note)])]
    [('sodium', 'Hyponatremia', ('E87.1',))]
    """
    if not notes:
        return ()
    table = table or default_triggers()
    wording = wording or Wording()
    case = Case(
        [
            Reading(
                facts.note,
                index,
                table.phrases,
                facts.sections,
                facts.mentions,
                find_indicators(
                    facts.note.text,
                    sections=facts.sections,
                    age_years=facts.note.age_years,
                    sex=facts.note.sex,
                    date_of_service=facts.note.date_of_service,
                ),
            )
            for index, facts in enumerate(notes)
        ]
    )
    most = LIMIT[case.setting] if limit is None else limit
    raised: list[Query] = []
    topics: set[str] = set()
    for trigger in table.triggers:
        if len(raised) >= most:
            break
        if trigger.is_for_adults and case.age_years is not None and case.age_years < _ADULT:
            continue
        if case.setting not in trigger.settings or trigger.topic in topics or topics.intersection(trigger.yields):
            continue
        items = _evidence_of(trigger, case, table)
        if items is None:
            continue
        topics.add(trigger.topic)
        leads_to = _LeadsTo(notes, items, is_billable, neighbour)
        raised.append(_query(trigger, case, items, wording, leads_to))
    return tuple(raised)


def _evidence_of(trigger: Trigger, case: Case, table: TriggerTable) -> list[list[Item]] | None:
    """Return what met each need of a trigger, None when it does not fire."""
    met: list[list[Item]] = []
    for need in trigger.needs:
        found = need(case)
        if found is None:
            return None
        met.append(found)
    is_answered = case.documented if trigger.kind == "missing diagnosis" else case.mentioned
    for name in trigger.answered:
        if any(s.section != "pmh" or name not in table.acute for s in is_answered(name)):
            return None
    if trigger.answer_codes and case.coded(trigger.answer_codes, [(i.note, i.span) for items in met for i in items]):
        return None
    if any(condition(case) is not None for condition in trigger.unless):
        return None
    return met if any(met) else None


class _LeadsTo:
    """The codes that an answer leads to."""

    def __init__(
        self,
        notes: Sequence[NoteFacts],
        met: list[list[Item]],
        is_billable: Callable[[str], bool] | None,
        neighbour: Neighbour | None,
    ) -> None:
        self._is_billable = is_billable
        self._neighbour = neighbour
        # the codes of the documented condition: those of the mentions that the first needs rest on
        self._documented = dict.fromkeys(
            m.code for items in met for i in items for m in notes[i.note].mentions if m.span.overlaps(i.span) and m.assertion == "present"
        )

    def codes(self, option: Option) -> tuple[str, ...]:
        """Return the codes of an option, those alone that are billable on the day."""
        if option.words is None:
            return tuple(c for c in option.codes if self._is_billable is None or self._is_billable(c))
        if self._neighbour is None:
            return ()
        found = [self._neighbour(code, *option.words) for code in self._documented]
        return tuple(dict.fromkeys(c for c in found if c))


def _query(trigger: Trigger, case: Case, met: list[list[Item]], wording: Wording, leads_to: _LeadsTo) -> Query:
    offered = [o for o in trigger.options if o.when is None or o.when(case) is not None]
    named = [o for o in offered if o.codes]
    # A question with no clinical answer to choose from is open: nothing is put into the physician's mouth.
    is_open = trigger.is_open or len(offered) < 2 or (not named and trigger.kind == "missing diagnosis")
    options = () if is_open else (*(o.text for o in offered), OTHER, UNDETERMINED)
    quoted = _quotes(trigger, case, met, most=max(_LEAST_QUOTED, _LINES - len(options)))
    codes = {o.text: leads_to.codes(o) for o in (trigger.options if is_open else offered)}
    first = case.readings[quoted[0].note].note
    encounter = next((r.note.encounter_id for r in case.readings if r.note.encounter_id), "") or ""
    key = f"{encounter or case.readings[0].note.note_id}\n{trigger.topic}\n{trigger.id}"
    question = wording.question(kind=trigger.kind, question=trigger.question)
    indicators = tuple(_indicator(case, item) for item in quoted)
    recipients = ("attending physician",) if case.setting == "inpatient" else ("treating physician",)
    lines = [_line(case, item, indicator) for item, indicator in zip(quoted, indicators, strict=True)]
    return Query(
        query_id=hashlib.sha256(key.encode()).hexdigest()[:16],
        topic=trigger.topic,
        question=question,
        options=options,
        indicators=indicators,
        kind=trigger.kind,
        rule_id=trigger.id,
        title=trigger.title,
        text=wording.text(
            rule_id=trigger.id,
            kind=trigger.kind,
            title=trigger.title,
            record=_record_name(case),
            recipients=recipients,
            indicators=lines,
            question=question,
            options=options,
        ),
        importance=trigger.importance,
        citation=trigger.source,
        codes_by_option=codes,
        note_id=first.note_id,
        encounter_id=encounter,
        recipients=recipients,
    )


def _record_name(case: Case) -> str:
    notes = [r.note for r in case.readings]
    parts = []
    for note in notes[:3]:
        date = note.date_of_service.isoformat() if note.date_of_service else ""
        parts.append(" of ".join(p for p in (note.kind or f"note {note.note_id}", date) if p))
    more = f" and {len(notes) - 3} more" if len(notes) > 3 else ""
    return "; ".join(parts) + more


def _quotes(trigger: Trigger, case: Case, met: list[list[Item]], *, most: int) -> list[Item]:
    """Choose what is quoted: something of every need first, then what else bears on the question, in the order of the text."""
    shown = [items for name in trigger.shows if (items := now_there(case, name))]
    chosen: list[Item] = []
    count: dict[str, int] = {}

    def take(item: Item) -> None:
        wide = _widened(case, item)
        if any(c.note == wide.note and c.span.overlaps(wide.span) for c in chosen) or count.get(item.name, 0) >= _MOST_OF_ONE:
            return
        chosen.append(wide)
        count[item.name] = count.get(item.name, 0) + 1

    for items in met:
        seen: list[str] = []
        each = 2 if len(items) == 2 else 1  # a rise or a fall is two values of one name
        for item in items:  # otherwise the first of each name: the worst value, the first statement
            if seen.count(item.name) < each and len(chosen) < most:
                seen.append(item.name)
                take(item)
    pairs = trigger.kind == "conflict" or trigger.is_yes_no
    for items in [*(met if pairs else [m for m in met if len(m) > 1]), *shown]:
        for item in items[: 3 if pairs else 2]:
            if len(chosen) < most:
                take(item)
    return sorted(chosen, key=lambda i: (i.note, i.span))


def _widened(case: Case, item: Item) -> Item:
    """Return a phrase with the words round it that make it read as a statement: its sentence, or what of it fits."""
    if not item.is_word:
        return item
    reading = case.readings[item.note]
    words, text = reading.words, reading.note.text
    first = bisect_left(words.starts, item.span.start)
    last = bisect_left(words.starts, item.span.end) - 1
    if last < first:
        return item
    sentence = words.sentence[first]
    grew = True
    while grew:
        grew = False
        for low, high in ((first, last + 1), (first - 1, last)):
            if low < 0 or high >= len(words.starts) or words.sentence[low] != sentence or words.sentence[high] != sentence:
                continue
            if words.ends[high] - words.starts[low] <= _LONGEST_QUOTE and (low, high) != (first, last):
                first, last, grew = low, high, True
    start, end = words.starts[first], words.ends[last]
    if end < len(text) and text[end] in ")%\"":
        end += 1
    return Item(item.note, Span(min(start, item.span.start), max(end, item.span.end)), item.name, item.when, item.section, True)


def _indicator(case: Case, item: Item) -> QueryIndicator:
    note = case.readings[item.note].note
    return QueryIndicator(
        span=item.span,
        excerpt=note.text[item.span.start : item.span.end],
        section=item.section,
        when=item.when,
        note_id=note.note_id,
        name=item.name,
    )


def _line(case: Case, item: Item, indicator: QueryIndicator) -> QuotedIndicator:
    note = case.readings[item.note].note
    words = " ".join(indicator.excerpt.split())
    label = "" if any(c.isalpha() for c in words[:4]) else f"{item.name.replace('_', ' ')}: "
    kind = note.kind or ""
    if len(case.readings) > 1 and note.date_of_service:
        kind = f"{kind or note.note_id} of {note.date_of_service.isoformat()}"
        place = source_name(indicator.section, "", indicator.when)
        return QuotedIndicator(words, f"{kind}, {place}" if place != "note" else kind, label)
    return QuotedIndicator(words, source_name(indicator.section, kind, indicator.when), label)
