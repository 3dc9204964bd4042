"""Medicines and treatments of a note: what was given, how, where, and whether it was given at all."""

# ruff: noqa: E501 - one line a pattern

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Literal

from codesuggest.queries.places import Place, when_of
from codesuggest.queries.terms import Hit, load_terms
from codesuggest.queries.values import Indicator
from codesuggest.records import Span

__all__ = ["read_treatments", "treatment_names"]

_Setting = Literal["home", "inpatient", "discharge", ""]

_NO_SECTIONS = frozenset({"allergies", "family_history"})
_DOSE = re.compile(
    r"[ ]{0,2}(?:\([^()\d\n]{1,24}\)[ ]?)?(?:-|:|at|of|@|to)?[ ]?(?P<dose>\d[\d.,]*(?:[ ]?[-–/][ ]?\d[\d.]*)?[ ]?(?:mg|mcg|µg|ug|g|gm|grams?|units?|u|meq|mmol|l|ml|cc|liters?|puffs?|amps?|tabs?|million units)(?:/kg)?(?:/(?:min|hr|h|hour|day))?)\b"
)
_AMOUNT_BEFORE = re.compile(
    r"(?P<dose>(?:\d[\d.,]*|one|two|three|four|five|six|\d/\d)[ ]?(?:x[ ])?(?:units?|u|amps?|mg|g|gm|l|liters?|ml|cc|meq|mmol|pack|doses?)(?:/(?:min|hr|h))?)(?:[ ]of)?[ ]$"
)
_ROUTE = re.compile(
    r"[^.;\n,]{0,24}?\b(?P<route>iv(?:pb|p)?|intravenous(?:ly)?|po|orally|oral|by mouth|im|intramuscular|sc|sq|subq|subcut(?:aneous(?:ly)?)?|nebs?|nebuliz\w+|inhaled|inh|pr|rectal|drip|gtt|infusion|ggt|patch|topical|via peg|via ng|ngt|sl|sublingual)\b"
)
_ROUTE_BEFORE = re.compile(r"\b(?P<route>iv|intravenous|po|oral|im|nebulized|inhaled|topical|subcutaneous|sq)[ ]$")
_ROUTES = {
    "ivpb": "iv", "ivp": "iv", "iv": "iv", "intravenous": "iv", "intravenously": "iv", "po": "po", "orally": "po", "oral": "po", "by mouth": "po", "via peg": "enteral",
    "via ng": "enteral", "ngt": "enteral", "im": "im", "intramuscular": "im", "drip": "iv infusion", "gtt": "iv infusion", "ggt": "iv infusion", "infusion": "iv infusion",
    "pr": "rectal", "sl": "sublingual",
}  # fmt: skip
_INFUSED = re.compile(r"\b(?:drip|gtt|ggt|infusion)\b")
_NOT_AFTER = re.compile(
    r"[ -]?(?:induced|dependen\w+|naive|resistan\w*|levels?\b|trough|allerg\w*|toxicity|intoleran\w*|responsive|refractory|overdose|antibod\w*|use disorder|abuse|misuse|sensitiv\w*|assay|random|peak|screen|free\b|pump failure|:?[ ]*(?:s|r|i)\b(?![\w/])|[ :]*[<>≤]=?[ ]?\d)"
)
_OF_AN_ORGANISM = re.compile(r"\b(?:resistan(?:t|ce)|sensitiv\w+|susceptib\w+|intermediate|mic)\b[^.;\n]{0,70}$")
_GIVEN_BEFORE = re.compile(
    r"\b(?:on|receiv\w+|given|gave|got|start\w*|restart\w*|continu\w*|resum\w+|administer\w*|treat\w*|with|load\w*|placed|transition\w*|switch\w*|narrow\w*|broaden\w*|escalat\w*|add\w*|empiric|iv|po|requir\w+|initiat\w+|plus|and|/|dose of|doses of|course of|of|to|via|day \d+(?:/\d+)?(?: of)?|was|abx:?|antibiotics:?|meds:?|home|daily|[-•*:+,])[ ]*$"
)
_SETTINGS: tuple[tuple[re.Pattern[str], _Setting], ...] = (
    (
        re.compile(
            r"\bdischarg\w+[^.;\n]{0,24}\b(?:on|with)\b[^.;\n]{0,40}$|\b(?:prescri\w+|on discharge|at discharge|upon discharge|go home on|sent home (?:on|with)|rx for|script for)\b[^.;\n]{0,40}$"
        ),
        "discharge",
    ),
    (
        re.compile(
            r"\b(?:home|at home|outpatient|prior to admission|pta|chronic\w*|long-?term|takes|taking|maintained on|baseline|compliant with|noncompliant with|non-?adheren\w+ (?:to|with)|ran out of|uses|usually|nightly|nocturnal)\b[^.;:\n]{0,28}$"
        ),
        "home",
    ),
)
_SETTING_AFTER = re.compile(
    r"[^.;\n,]{0,34}?\b(?:(?P<home>at home|prior to admission|pta|as (?:an )?outpatient|chronically|at baseline|at night at home|nightly|for sleep apnea|for osa)|(?P<discharge>at discharge|on discharge|upon discharge))\b"
)
_GIVEN_HERE = re.compile(
    r"\b(?:received|given|started|administered|placed on|transfused|initiated|loaded|transitioned|in the (?:ed|icu)|ed course)\b[^.;\n]{0,60}$"
)
_HEADING = re.compile(r"^[ \t]*(?:#+[ ]*)?(?P<words>[a-z][a-z /&,'()-]{2,48}?)[ ]*(?::|$)", re.MULTILINE)
_MEDICINES = re.compile(r"\b(?:med(?:ication)?s?|drug history|dh|prescriptions|rx)\b")
_HOME = re.compile(r"home|admission|outpatient|prior to|pta|pre-?admission|drug history|^dh$|current outpatient")
_INPATIENT = re.compile(r"inpatient|scheduled|prn|infusions?|drips|active|hospital|icu|mar\b")


def _headings(place: Place) -> tuple[list[int], list[_Setting]]:
    """Where lists of medicines begin and end, and whose they are, by the headings of the text itself."""
    starts: list[int] = []
    settings: list[_Setting] = []
    for m in _HEADING.finditer(place.lower):
        words = m["words"]
        if len(words.split()) > 6:
            continue
        setting: _Setting = ""
        if _MEDICINES.search(words):
            if "discharge" in words and "prior" not in words:
                setting = "discharge"
            elif _HOME.search(words):
                setting = "home"
            elif _INPATIENT.search(words):
                setting = "inpatient"
        elif "hospital course" in words or words.strip() in ("ed course", "icu course", "drips", "infusions"):
            setting = "inpatient"
        elif not m[0].rstrip().endswith(":"):
            continue
        starts.append(m.start())
        settings.append(setting)
    return starts, settings


def _setting(place: Place, hit: Hit, headings: tuple[list[int], list[_Setting]]) -> _Setting:
    before = place.before(hit.start)
    name = place.lower[hit.start : hit.end]
    for pattern, setting in _SETTINGS:
        if pattern.search(before):
            return setting
    if name.startswith("home "):
        return "home"
    after = _SETTING_AFTER.match(place.lower, hit.end)
    if after is not None:
        return "home" if after["home"] else "discharge"
    if _GIVEN_HERE.search(before):
        return "inpatient"
    at = bisect_right(headings[0], hit.start) - 1
    return headings[1][at] if at >= 0 else ""


def read_treatments(place: Place, hits: Iterable[Hit]) -> list[Indicator]:
    """Read the treatments among the terms of a note.

    Parameters
    ----------
    place : Place
    hits : iterable of Hit
    """
    headings = _headings(place)
    lower = place.lower
    found = []
    for hit in hits:
        section = place.section(hit.start)
        if hit.term.table != "treatments" or section in _NO_SECTIONS or _NOT_AFTER.match(lower, hit.end):
            continue
        if _OF_AN_ORGANISM.search(lower, max(0, hit.start - 80), hit.start) or place.is_relative(hit.start):
            continue
        dose = _DOSE.match(lower, hit.end)
        amount = _AMOUNT_BEFORE.search(lower, max(0, hit.start - 20), hit.start)
        route = _ROUTE.match(lower, hit.end)
        route_before = _ROUTE_BEFORE.search(lower, max(0, hit.start - 14), hit.start)
        if hit.mark == "#" and not (dose or (route and route.start("route") - hit.end < 6) or (amount and "meq" in amount[0])):
            continue
        if hit.mark == "#" and dose and not re.search(r"m?g\b|meq|mmol|mcg|µg|ug|units?|gm|gram|tab", dose["dose"]):
            continue
        if hit.mark == "~" and not (dose or route or _GIVEN_BEFORE.search(lower, max(0, hit.start - 28), hit.start)):
            continue
        details = [("class", hit.term.group)]
        end = hit.end
        if dose is not None:
            details.append(("dose", place.text[dose.start("dose") : dose.end("dose")]))
            end = dose.end("dose")
            route = _ROUTE.match(lower, end)
        elif amount is not None:
            details.append(("dose", place.text[amount.start("dose") : amount.end("dose")]))
        words = "iv infusion" if _INFUSED.search(lower, hit.start, hit.end) else ""
        if not words and re.search(r"\b(?:iv|intravenous)\b", lower[hit.start : hit.end]):
            words = "iv"
        if not words and route_before is not None:
            words = route_before["route"]
        elif not words and route is not None:
            words = route["route"]
            if route.end() - end < 16:
                end = route.end()
        if words:
            details.append(
                (
                    "route",
                    _ROUTES.get(
                        words,
                        "sc"
                        if words.startswith(("sc", "sq", "sub"))
                        else "inhaled"
                        if words.startswith(("neb", "inh"))
                        else words,
                    ),
                )
            )
        start = amount.start("dose") if amount is not None and dose is None else hit.start
        found.append(
            Indicator(
                hit.term.name,
                "medication" if hit.term.category == "medication" else "treatment",
                Span(start, end),
                given=place.text[start:end],
                when=_when(place, hit.start, end),
                section=section,
                asserted=place.asserted(start, end),
                setting=_setting(place, hit, headings),
                details=tuple(details),
            )
        )
    return found


_WHEN = re.compile(
    r"[^.;\n,]{0,24}?\b(?:on|at) (?P<when>\d{1,2}/\d{1,2}(?:/\d{2,4})?|hospital day \d{1,2}|hd ?#?\d{1,2}|admission|arrival|discharge|pod ?#?\d{1,2})\b"
)


def _when(place: Place, start: int, end: int) -> str | None:
    m = _WHEN.match(place.lower, end)
    return when_of(m["when"], place.service) if m is not None else place.line_when(start)


def treatment_names() -> Iterator[str]:
    """Yield the name of every treatment of the table."""
    return (term.name for term, _ in load_terms() if term.table == "treatments")
