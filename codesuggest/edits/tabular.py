"""Edits of the Tabular List: existence, seventh characters, Excludes notes, order, manifestations.

References
----------
ICD-10-CM Official Guidelines, sections I.A.4–5 (placeholder, seventh character), I.A.12 (Excludes), I.A.13 (etiology and
manifestation), I.A.17 (code also), I.B.2 (level of detail); the notes of the Tabular List in force.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from codesuggest.codes import Release, Releases
from codesuggest.codes.changes import DeletedCode, diff
from codesuggest.codes.code import with_dot
from codesuggest.edits.catalogue import Rule
from codesuggest.edits.index import CodeFacts, Edge, NoteGroup
from codesuggest.errors import CodesuggestError, InvalidCodeError

if TYPE_CHECKING:
    from codesuggest.edits.engine import View
    from codesuggest.records import Finding

__all__ = ["RULES", "check"]

_SECTION = "ICD-10-CM Official Guidelines, section"
INVALID = Rule(
    "TAB-01",
    "tabular",
    "error",
    "A code that the release in force on the date of service does not hold.",
    f"ICD-10-CM Tabular List; {_SECTION} I.B.2",
    "Check the code and the date of service; choose a code of the release.",
)
NOT_BILLABLE = Rule(
    "TAB-02",
    "tabular",
    "error",
    "A code that has more specific codes below it.",
    f"{_SECTION} I.B.2 (level of detail)",
    "Choose one of the codes below it.",
)
SEVENTH_MISSING = Rule(
    "TAB-03",
    "tabular",
    "error",
    "A code without the seventh character it needs.",
    f"{_SECTION} I.A.5 (7th characters)",
    "Add the seventh character the encounter calls for.",
)
SEVENTH_WRONG = Rule(
    "TAB-04",
    "tabular",
    "error",
    "A seventh character that the code does not take.",
    f"{_SECTION} I.A.5 (7th characters)",
    "Choose one of the seventh characters listed at the code.",
)
PLACEHOLDER = Rule(
    "TAB-05",
    "tabular",
    "error",
    "A seventh character that does not stand in the seventh place, for want of the placeholder X.",
    f"{_SECTION} I.A.4 (placeholder character)",
    "Fill the empty places with X.",
)
EXCLUDES1 = Rule(
    "TAB-10",
    "tabular",
    "warning",
    "Two codes that an Excludes1 note keeps apart, read in both directions and at every level.",
    f"{_SECTION} I.A.12.a (Excludes1)",
    "Keep the code that the record supports; keep both only when the record shows two conditions unrelated to each other.",
)
EXCLUDES2 = Rule(
    "TAB-11",
    "tabular",
    "advice",
    "Two codes named by an Excludes2 note: they may stand together when the patient has both.",
    f"{_SECTION} I.A.12.b (Excludes2)",
    "Keep both when both are documented.",
    is_information=True,
)
MANIFESTATION_FIRST = Rule(
    "TAB-20",
    "tabular",
    "error",
    'A manifestation code ("in diseases classified elsewhere") as principal or first-listed diagnosis.',
    f"{_SECTION} I.A.13 (etiology/manifestation)",
    "Sequence the underlying condition first.",
)
CODE_FIRST = Rule(
    "TAB-21",
    "tabular",
    "warning",
    "A code that stands before the underlying condition its code-first note asks for.",
    f"{_SECTION} I.A.13 and I.A.17",
    "Sequence the underlying condition first.",
)
USE_ADDITIONAL = Rule(
    "TAB-22",
    "tabular",
    "advice",
    "A code whose use-additional-code note names codes of which the claim has none.",
    f"{_SECTION} I.A.13 and I.A.17",
    "Add the code if the record documents it.",
    is_information=True,
)
CODE_ALSO = Rule(
    "TAB-23",
    "tabular",
    "advice",
    "A code whose code-also note names codes of which the claim has none; the order follows the circumstances.",
    f"{_SECTION} I.A.17 (code also)",
    "Add the code if the record documents it.",
    is_information=True,
)
INCLUDES = Rule(
    "TAB-24",
    "tabular",
    "advice",
    "What the includes note at or above a code says it covers.",
    f"{_SECTION} I.A.10 (includes notes)",
    "Nothing to resolve: information. Check that the condition of the record is among what is included.",
    is_information=True,
)
RULES = (
    INVALID,
    NOT_BILLABLE,
    SEVENTH_MISSING,
    SEVENTH_WRONG,
    PLACEHOLDER,
    EXCLUDES1,
    EXCLUDES2,
    MANIFESTATION_FIRST,
    CODE_FIRST,
    USE_ADDITIONAL,
    CODE_ALSO,
    INCLUDES,
)
_WORDS = 160


def _short(text: str) -> str:
    return text if len(text) <= _WORDS else f"{text[: _WORDS - 1]}…"


def _seventh(release: Release, code_text: str) -> dict[str, str]:
    return release.seventh_characters(code_text) if release.has_notes and code_text in release else {}


def _choices(sevenths: dict[str, str]) -> str:
    return ", ".join(f"{char} {text}" for char, text in sevenths.items())


@lru_cache(maxsize=4)
def _changes(old: Release, new: Release) -> dict[str, DeletedCode]:
    return {gone.code: gone for gone in diff(old, new).deleted}


def _elsewhere(facts: CodeFacts, release: Release, releases: Releases | None) -> str:
    """Say of a code the release does not hold in which other it stands and where it went; empty when nothing is known."""
    if releases is None or not 3 <= len(facts.key) <= 7:
        return ""
    others = [info for info in releases.list() if info.system == release.system and info.sha256 != release.sha256]
    for info in sorted(others, key=lambda i: (i.effective > release.effective, abs((i.effective - release.effective).days))):
        other = releases.on(info.effective, release.system)
        if facts.text not in other:
            continue
        if info.effective > release.effective:
            return f"{facts.text} ({other.title(facts.text)}) is a code from {info.effective} on ({other.name})."
        gone = _changes(other, release).get(facts.text)
        after = ", ".join(f"{s.code} ({s.title})" for s in gone.successors) if gone is not None else ""
        words = f"its successor is perhaps {after}" if after else "nothing in the release resembles it"
        return f"{facts.text} ({other.title(facts.text)}) was a code of {other.name} and is deleted: {words}."
    return ""


def _unknown(facts: CodeFacts, release: Release, releases: Releases | None) -> Finding:
    """Say of a text that is no code what is wrong with it, as narrowly as it can be known."""
    key, name = facts.key, release.name
    stem = key[:6].rstrip("X") if len(key) == 7 else ""
    parent = key[:6] if key[:6] in release else stem
    if len(key) == 7 and parent in release:
        sevenths = _seventh(release, parent)
        if sevenths and key[6] not in sevenths:
            return SEVENTH_WRONG.finding(
                (facts.text,),
                f"{facts.text}: {key[6]!r} is not a seventh character of {with_dot(parent)}. It takes {_choices(sevenths)}.",
                release=name,
            )
        if not sevenths and release.is_billable(parent):
            return SEVENTH_WRONG.finding(
                (facts.text,),
                f"{facts.text}: {with_dot(parent)} takes no seventh character; it is complete as it is.",
                release=name,
            )
    if 4 <= len(key) <= 6 and key[:-1] in release:
        sevenths = _seventh(release, key[:-1])
        filled = key[:-1].ljust(6, "X") + key[-1]
        if key[-1] in sevenths and filled in release:
            return PLACEHOLDER.finding(
                (facts.text,),
                f"{facts.text}: the seventh character {key[-1]!r} stands in place {len(key)}. "
                f"Written out, the code is {with_dot(filled)}.",
                release=name,
            )
    if words := _elsewhere(facts, release, releases):
        return INVALID.finding((facts.text,), words, release=name)
    try:
        release.index(facts.text)
    except InvalidCodeError:
        message = f"{facts.text[:12]!r} is not written as an ICD-10-CM code."
    except CodesuggestError as error:
        message = error.message
    return INVALID.finding((facts.text,), message, release=name)


def _header(facts: CodeFacts, release: Release) -> Finding:
    children = release.children(facts.text)
    sevenths = _seventh(release, facts.text)
    if sevenths and children and all(len(c) == 8 for c in children):
        filled = facts.key.ljust(6, "X")
        return SEVENTH_MISSING.finding(
            (facts.text,),
            f"{facts.text} ({facts.title}) needs a seventh character: {', '.join(with_dot(filled + c) for c in sevenths)} "
            f"({_choices(sevenths)}).",
            release=release.name,
        )
    names = ", ".join(children) if len(children) <= 12 else f"{', '.join(children[:6])} … {children[-1]}"
    return NOT_BILLABLE.finding(
        (facts.text,),
        f"{facts.text} ({facts.title}) is not billable: it has {len(children)} codes below it: {names}.",
        release=release.name,
    )


def _excluded(a: CodeFacts, b: CodeFacts, edge: Edge, name: str) -> Finding:
    first, second = sorted((a.text, b.text))
    return EXCLUDES1.finding(
        (first, second),
        f"{first} and {second} are not coded together: Excludes1 at {edge.where} names {_short(edge.text)!r}. "
        "Exception (I.A.12.a): both stay when the record shows that the two conditions are unrelated to each other; "
        "query the provider when that is not clear.",
        release=name,
    )


def _before(facts: CodeFacts, group: NoteGroup, later: list[CodeFacts], name: str) -> Finding:
    codes = tuple(f.text for f in later)
    return CODE_FIRST.finding(
        (facts.text, *codes),
        f"{facts.text} stands before {', '.join(codes)}. Code first at {group.where}: {_short(group.text)!r}.",
        release=name,
    )


def check(view: View, add: Callable[[Finding], None]) -> None:
    """Run the family on a claim."""
    index, release = view.index, view.index.release
    known = view.known
    for facts in view.unknown:
        add(_unknown(facts, release, view.tables.releases))
    for facts in known:
        if not facts.billable:
            add(_header(facts, release))
    if not release.has_notes:
        return
    n = len(known)
    if n > 1:
        begun: frozenset[int] = known[0].begins.union(*[f.begins for f in known[1:]])
        if not begun.isdisjoint(frozenset().union(*[f.ends for f in known])):
            for i in range(n - 1):
                a = known[i]
                for b in known[i + 1 :]:
                    if not a.begins.isdisjoint(b.ends) or not b.begins.isdisjoint(a.ends):
                        edge = index.exclusion(a, b)
                        if edge is not None:
                            add(_excluded(a, b, edge, release.name))
        if view.information:
            for i in range(n - 1):
                for b in known[i + 1 :]:
                    edge = index.exclusion2(known[i], b)
                    if edge is not None:
                        first, second = sorted((known[i].text, b.text))
                        add(
                            EXCLUDES2.finding(
                                (first, second),
                                f"{first} and {second} may stand together when both are documented: Excludes2 at {edge.where}.",
                                release=release.name,
                            )
                        )
    if view.principal is not None and view.principal.mask & view.bits["manifestation"] and view.principal.billable:
        facts = view.principal
        add(
            MANIFESTATION_FIRST.finding(
                (facts.text,),
                f"{facts.text} ({facts.title}) is a manifestation and cannot be the principal or first-listed diagnosis.",
                release=release.name,
            )
        )
    for i, facts in enumerate(known):
        for group in facts.first:
            if any(group.names(f) for f in known[:i]):
                continue
            later = [f for f in known[i + 1 :] if group.names(f)]
            if later:
                add(_before(facts, group, later, release.name))
        if view.information:
            _inform(facts, view, add)


def _inform(facts: CodeFacts, view: View, add: Callable[[Finding], None]) -> None:
    """Show what the notes at a code and above it say that needs no action."""
    index, name = view.index, view.index.release.name
    others = [f for f in view.known if f is not facts]
    for kind, rule, verb in (("use_additional_code", USE_ADDITIONAL, "use additional"), ("code_also", CODE_ALSO, "code also")):
        for group in index.noted(facts, kind):
            wanted = group.ranges and not (group.is_optional and rule is USE_ADDITIONAL)
            if wanted and not any(group.names(f) for f in others):
                add(rule.finding((facts.text,), f"{facts.text}: {verb} {_short(group.text)!r} ({group.where}).", release=name))
    included = index.noted(facts, "includes")
    if included:
        where = included[0].where
        words = _short("; ".join(group.text for group in included if group.where == where))
        add(INCLUDES.finding((facts.text,), f"{facts.text}: {where} includes {words!r}.", release=name))
