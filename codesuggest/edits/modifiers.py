"""Modifiers: whether they exist on the day, go with the code, the setting, each other and the diagnosis, and in which order.

Decision: what a modifier may do is a row of a dated table (``tables/modifiers.tsv``; bring your own for a later quarter). Whether a
HCPCS modifier exists at all is asked of CMS's HCPCS file when it is handed in; without it an unknown one is passed over. Codes
are sorted by number range alone: no CPT descriptor is needed or kept.

References
----------
CMS, HCPCS Level II; CMS, Medicare Claims Processing Manual, chapters 4 and 12; CMS, NCCI Policy Manual, chapter I.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from codesuggest.edits.catalogue import Rule
from codesuggest.errors import ConfigError

if TYPE_CHECKING:
    from codesuggest.codes.readers import HcpcsRecord
    from codesuggest.edits.claim import Procedure
    from codesuggest.edits.engine import View
    from codesuggest.records import Finding

__all__ = ["RULES", "Modifier", "ModifierTable", "check", "code_class", "modifiers_of_hcpcs", "read_modifiers"]

_CMS = "CMS, Medicare Claims Processing Manual"
FORM = Rule("MOD-01", "modifiers", "error", "A modifier that is not two letters or digits.", f"{_CMS}, chapter 23", "Correct it.")
UNKNOWN = Rule(
    "MOD-02",
    "modifiers",
    "error",
    "A modifier the HCPCS file in force does not hold, or a number that is no CPT modifier.",
    "CMS, HCPCS Level II, quarterly file; CPT, appendix A",
    "Check the modifier and the day of service.",
)
NOT_IN_FORCE = Rule(
    "MOD-03",
    "modifiers",
    "error",
    "A modifier before its first or after its last day.",
    "CMS, HCPCS Level II, quarterly file",
    "Use the modifier in force on the day of service.",
)
WRONG_CODE = Rule(
    "MOD-04",
    "modifiers",
    "error",
    "A modifier on a code it does not go with, by the range of the code.",
    f"{_CMS}, chapter 12; NCCI Policy Manual, chapter I",
    "Move the modifier to the code it belongs to, or leave it out.",
)
WRONG_SETTING = Rule(
    "MOD-05",
    "modifiers",
    "error",
    "A professional modifier on a hospital claim, or the reverse.",
    f"{_CMS}, chapters 4 and 12",
    "Use the modifier of the setting, or leave it out.",
)
EXCLUSIVE = Rule(
    "MOD-06",
    "modifiers",
    "error",
    "Two modifiers on one line that exclude each other.",
    f"{_CMS}, chapter 12; NCCI Policy Manual, chapter I",
    "Keep the one the record supports.",
)
TWICE = Rule("MOD-07", "modifiers", "error", "The same modifier twice on one line.", f"{_CMS}, chapter 12", "Leave one out.")
ORDER = Rule(
    "MOD-08",
    "modifiers",
    "warning",
    "An informational modifier before one that changes payment.",
    f"{_CMS}, chapter 12 (pricing modifiers first)",
    "Put the pricing modifier first.",
)
SIDES = Rule(
    "MOD-09",
    "modifiers",
    "error",
    "The bilateral modifier 50 with a side, or with more than one unit.",
    f"{_CMS}, chapter 12, section 40.7",
    "Bill 50 alone with one unit, or the sides on lines of their own.",
)
CONTRADICTION = Rule(
    "MOD-10",
    "modifiers",
    "warning",
    "A side on a line that contradicts the side of every diagnosis it points to.",
    "ICD-10-CM Official Guidelines, section I.B.13; CMS, HCPCS Level II",
    "Correct the modifier, the diagnosis or the pointer.",
)
REPEAT = Rule(
    "MOD-11",
    "modifiers",
    "warning",
    "A service repeated on a day without a modifier that says why.",
    f"{_CMS}, chapter 12 (76, 77, 91); NCCI Policy Manual, chapter I",
    "Add 76, 77, 91, 59 or a side, as the record supports; or bill units.",
)
REPEAT_LAB = Rule(
    "MOD-12",
    "modifiers",
    "warning",
    "A repeated laboratory test with 76 or 77 instead of 91.",
    "NCCI Policy Manual, chapter I.E; chapter X",
    "Use 91 for a repeat that gives a further result.",
)
PRIMARY_CARE = Rule(
    "MOD-13",
    "modifiers",
    "warning",
    "GE (primary care exception) on a code outside the exception.",
    f"{_CMS}, chapter 12, section 100.1.1.C",
    "Use GC when the teaching physician took part.",
    first=dt.date(2023, 5, 12),
)
TELEHEALTH = Rule(
    "MOD-14",
    "modifiers",
    "warning",
    "A telehealth modifier (93, 95, FQ, GQ, GT) on a professional line whose place of service is not telehealth (02, 10).",
    f"{_CMS}, chapter 12, section 190; CMS, place of service codes 02 and 10",
    "Use 02 or 10, or leave the modifier out; therapists of a hospital bill 95 with its place of service (19, 22).",
    first=dt.date(2024, 1, 1),
)
BOTH_SIDES = Rule(
    "MOD-15",
    "modifiers",
    "warning",
    "A right and a left modifier on one line.",
    f"{_CMS}, chapter 12, section 40.7",
    "Use 50 with one unit when the code may be bilateral; else a line for each side.",
)
BILATERAL_TWICE = Rule(
    "MOD-16",
    "modifiers",
    "warning",
    "A service billed as bilateral (50), and again for one side on the same day.",
    f"{_CMS}, chapter 12, section 40.7",
    "Keep the line with 50, or a line for each side.",
)
REPEAT_ALONE = Rule(
    "MOD-17",
    "modifiers",
    "advice",
    "A repeat modifier (76, 77, 91) where neither the claim nor the history holds a first service of the day.",
    f"{_CMS}, chapter 12 (76, 77, 91)",
    "Leave it out unless the first service was billed elsewhere.",
)
GLOBAL_AND_COMPONENT = Rule(
    "MOD-18",
    "modifiers",
    "warning",
    "A service billed whole, and again as its professional (26) or technical (TC) component.",
    f"{_CMS}, chapter 12, section 20 (26 and TC); chapter 13",
    "Bill the whole service, or its components, of one day once.",
)
ALONE = Rule(
    "MOD-19",
    "modifiers",
    "advice",
    "Modifier 25 on the only service of the day.",
    f"{_CMS}, chapter 12, section 40.2; NCCI Policy Manual, chapter I.D",
    "Leave 25 out unless the other service is billed elsewhere.",
)
POINTER = Rule(
    "MOD-20",
    "modifiers",
    "error",
    "A line that points to a diagnosis the claim does not have.",
    f"{_CMS}, chapter 26, section 10.4 (item 24E, diagnosis pointer)",
    "Point to the diagnoses of the claim that justify the line.",
)
RULES = (
    FORM,
    UNKNOWN,
    NOT_IN_FORCE,
    WRONG_CODE,
    WRONG_SETTING,
    EXCLUSIVE,
    TWICE,
    ORDER,
    SIDES,
    CONTRADICTION,
    REPEAT,
    REPEAT_LAB,
    PRIMARY_CARE,
    TELEHEALTH,
    BOTH_SIDES,
    BILATERAL_TWICE,
    REPEAT_ALONE,
    GLOBAL_AND_COMPONENT,
    ALONE,
    POINTER,
)
_TELEHEALTH = frozenset("93 95 FQ GQ GT".split())
_TELEHEALTH_PLACES = frozenset("02 10 19 22".split())
_REPEATS = frozenset("76 77 91".split())
_PRIMARY_CARE_CODES = frozenset("99202 99203 99211 99212 99213 G0402 G0438 G0439".split())
_CPT = frozenset(
    "22 23 24 25 26 27 32 33 47 50 51 52 53 54 55 56 57 58 59 62 63 66 73 74 76 77 78 79 80 81 82 90 91 92 93 95 96 97 99".split()
)
"""Numbers that are modifiers; they change seldom, and a row of the table adds one."""
_FORM = re.compile(r"[0-9A-Z]{2}")
_KEPT = 20_000
_SETTING_OF = {"professional": "professional", "outpatient": "hospital", "emergency": "hospital"}


@dataclass(frozen=True, slots=True)
class Modifier:
    """A row of the table.

    Parameters
    ----------
    modifier : str
    kind : {"pricing", "informational"}
    settings : str
        "professional", "hospital" or "" for both.
    exclusive : str
        Modifiers of one group do not stand together on a line.
    codes : str
        Class of codes it goes with (`code_class`), with ``!`` those it does not go with, or "".
    side : {"left", "right", "both", ""}
    first, last : datetime.date or None
    source : str
    """

    modifier: str
    kind: str
    settings: str
    exclusive: str
    codes: str
    side: str
    first: dt.date | None
    last: dt.date | None
    source: str

    def holds(self, on: dt.date) -> bool:
        """Whether the modifier is in force on a day."""
        return (self.first is None or self.first <= on) and (self.last is None or on <= self.last)


@dataclass(frozen=True, eq=False)
class ModifierTable:
    """What modifiers may do, and (when a HCPCS file was handed in) which of them exist.

    Parameters
    ----------
    rows : mapping of str to Modifier
    existing : mapping of str to (first, last), or None
        HCPCS modifiers with their dates.
    """

    rows: Mapping[str, Modifier]
    existing: Mapping[str, tuple[dt.date | None, dt.date | None]] | None = None
    _clean: dict[object, str] = field(default_factory=dict, init=False, repr=False)


def read_modifiers(path: str | Path) -> ModifierTable:
    """Read a table of modifiers (TSV; the head of the shipped one names the columns).

    Raises
    ------
    ConfigError
        CS417 for a column that is missing or a value that is not understood, with its line.

    Examples
    --------
    >>> table = read_modifiers(Path(__file__).parent / "tables" / "modifiers.tsv")
    >>> table.rows["RT"].side, table.rows["26"].kind
    ('right', 'pricing')
    """
    path = Path(path)
    rows: dict[str, Modifier] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream, delimiter="\t"), 2):
            try:
                made = Modifier(
                    row["modifier"],
                    row["kind"],
                    row["settings"],
                    row["exclusive"],
                    row["codes"],
                    row["side"],
                    dt.date.fromisoformat(row["first"]) if row["first"] else None,
                    dt.date.fromisoformat(row["last"]) if row["last"] else None,
                    row["source"],
                )
            except (KeyError, ValueError, TypeError) as error:
                msg = f"Line {number} of {path.name!r} is not a modifier: {error}. Expected the nine columns. Correct the line."
                raise ConfigError("CS417", msg) from error
            if (
                row["source"] is None
                or made.kind not in ("pricing", "informational")
                or (made.codes or "").removeprefix("!") not in ("", *_CLASSES)
            ):
                msg = f"Line {number} of {path.name!r} has the kind {made.kind!r} and codes {made.codes!r}. Correct the line."
                raise ConfigError("CS417", msg)
            rows[made.modifier] = made
    return ModifierTable(rows)


def modifiers_of_hcpcs(table: ModifierTable, records: Iterable[HcpcsRecord]) -> ModifierTable:
    """Add to a table which HCPCS modifiers exist, from CMS's HCPCS file.

    Examples
    --------
    >>> modifiers_of_hcpcs(ModifierTable({}), []).existing
    {}
    """
    return ModifierTable(table.rows, {r.code: (r.added or r.effective, r.terminated) for r in records if r.is_modifier})


_CLASSES = ("evaluation", "laboratory", "anesthesia")


@lru_cache(maxsize=20_000)
def code_class(code_text: str) -> str:
    """Class of a procedure code by its range; empty when its range says nothing.

    Examples
    --------
    >>> code_class("99400"), code_class("89990"), code_class("01998"), code_class("G0101"), code_class("39990")
    ('evaluation', 'laboratory', 'anesthesia', '', 'other')
    """
    if len(code_text) != 5 or not code_text.isdigit():
        return ""
    number = int(code_text)
    if 99202 <= number <= 99499 or 92002 <= number <= 92014:
        return "evaluation"
    if 80000 <= number <= 89999:
        return "laboratory"
    return "anesthesia" if 100 <= number <= 1999 else "other"


def check(view: View, add: Callable[[Finding], None]) -> None:
    """Run the family on a claim."""
    table = view.tables.modifiers
    if table is None:
        return
    setting = _SETTING_OF.get(view.claim.setting)
    lines: dict[tuple[str, dt.date, str], list[Procedure]] = {}
    for line in view.procedures:
        day = line.date or view.on
        if line.pointers and (lost := sorted(set(line.pointers).difference(d.sequence for d in view.claim.diagnoses))):
            message = (
                f"Line {line.line}: {line.code.upper()} points to diagnosis {', '.join(map(str, lost))}, which the claim lacks."
            )
            add(POINTER.finding((line.code.upper(),), message))
        if line.modifiers:
            _line(view, table, line, day, setting, add)
        if setting is not None and len(line.code) == 5:
            lines.setdefault((line.code.upper(), day, line.provider), []).append(line)
    if setting == "professional":
        _alone(view, add)
    for (code, day, _), alike in lines.items():
        if len(alike) > 1:
            _repeated(table, code, alike, day, add)
        elif alike[0].modifiers and not _REPEATS.isdisjoint(alike[0].modifiers):
            others = (*view.procedures, *view.claim.history)
            if sum(p.code.upper() == code and (p.date or view.on) == day for p in others) == 1:
                names = ", ".join(sorted(_REPEATS.intersection(alike[0].modifiers)))
                message = f"Line {alike[0].line}: {code} has {names}; no other {code} of {day} is at hand."
                add(REPEAT_ALONE.finding((code,), message))


def _alone(view: View, add: Callable[[Finding], None]) -> None:
    """Look for a 25 without another service of its day and provider."""
    for line in view.procedures:
        if "25" in line.modifiers:
            others = (*view.procedures, *view.claim.history)
            day = line.date or view.on
            if not any(p is not line and (p.date or view.on) == day and p.provider == line.provider for p in others):
                message = f"Line {line.line}: {line.code.upper()} has 25; no other service of {day} is at hand."
                add(ALONE.finding((line.code.upper(),), message))


def _repeated(table: ModifierTable, code: str, lines: list[Procedure], day: dt.date, add: Callable[[Finding], None]) -> None:
    """Compare the lines of one code, day and provider."""
    numbers = ", ".join(str(p.line) for p in lines)
    named = [frozenset(m.strip().upper() for m in line.modifiers) for line in lines]
    if len(set(named)) < len(named):
        add(REPEAT.finding((code,), f"{code} stands on the lines {numbers} of one day and no modifier tells them apart."))
    sides = [{row.side for name in names if (row := table.rows.get(name)) is not None and row.holds(day)} for names in named]
    if any("both" in s for s in sides) and any({"left", "right"} & s and "both" not in s for s in sides):
        add(BILATERAL_TWICE.finding((code,), f"{code} stands on the lines {numbers}, with 50 and for one side."))
    if frozenset() in named and any(names & {"26", "TC"} for names in named):
        add(GLOBAL_AND_COMPONENT.finding((code,), f"{code} stands on the lines {numbers}, whole and as a component."))


def _line(
    view: View, table: ModifierTable, line: Procedure, day: dt.date, setting: str | None, add: Callable[[Finding], None]
) -> None:
    code = line.code.upper()
    kind = code_class(code)
    alike = (line.modifiers, kind, code in _PRIMARY_CARE_CODES, setting, day, line.units > 1)
    side = table._clean.get(alike)
    if side is None:
        found: list[Finding] = []
        side = _look(table, line, code, kind, day, setting, found.append)
        for finding in found:
            add(finding)
        if not found and len(table._clean) < _KEPT:
            table._clean[alike] = side  # lines alike but for the code are clean too
    if line.place_of_service and setting == "professional" and TELEHEALTH.holds(day):
        names = sorted(_TELEHEALTH.intersection(line.modifiers))
        if names and line.place_of_service not in _TELEHEALTH_PLACES:
            message = f"Line {line.line}: {code} has {', '.join(names)} with the place of service {line.place_of_service[:4]}."
            add(TELEHEALTH.finding((code,), message))
    if side:
        _contradiction(view, line, code, side, add)


def _look(
    table: ModifierTable, line: Procedure, code: str, kind: str, day: dt.date, setting: str | None, add: Callable[[Finding], None]
) -> str:
    """Look at the modifiers of one line by themselves; give the side they name."""
    names = [m.strip().upper() for m in line.modifiers]
    rows: list[Modifier] = []
    where = f"Line {line.line}: {code}"
    for name in names:
        if not _FORM.fullmatch(name):
            add(FORM.finding((code,), f"{where} has the modifier {name[:6]!r}."))
            continue
        row = table.rows.get(name)
        if table.existing is not None and not name.isdigit():
            dates = table.existing.get(name)
            if dates is None and row is None:
                add(UNKNOWN.finding((code,), f"{where} has the modifier {name}, which the HCPCS file does not hold."))
                continue
            if dates is not None and not ((dates[0] is None or dates[0] <= day) and (dates[1] is None or day <= dates[1])):
                add(NOT_IN_FORCE.finding((code,), f"{where} has the modifier {name}, which is not in force on {day}."))
                continue
        if row is None:
            if name.isdigit() and name not in _CPT:
                add(UNKNOWN.finding((code,), f"{where} has the modifier {name}, which is no CPT modifier."))
            continue
        if not row.holds(day):
            add(
                NOT_IN_FORCE.finding(
                    (code,), f"{where} has the modifier {name}, which is not in force on {day}.", citation=row.source
                )
            )
            continue
        rows.append(row)
        if row.codes and kind:
            refused = row.codes.startswith("!")
            if (kind == row.codes.lstrip("!")) == refused:
                words = f"does not go with {row.codes[1:]} codes" if refused else f"goes with {row.codes} codes only"
                add(WRONG_CODE.finding((code,), f"{where} has the modifier {name}, which {words}.", citation=row.source))
        if row.settings and setting is not None and row.settings != setting:
            message = f"{where} has the modifier {name}, which stands on {row.settings} claims only."
            add(WRONG_SETTING.finding((code,), message, citation=row.source))
        if name == "GE" and PRIMARY_CARE.holds(day) and code not in _PRIMARY_CARE_CODES:
            add(PRIMARY_CARE.finding((code,), f"{where} has GE; the exception covers {', '.join(sorted(_PRIMARY_CARE_CODES))}."))
        if name in ("76", "77") and kind == "laboratory":
            add(REPEAT_LAB.finding((code,), f"{where} is a laboratory test with {name}."))
    if len(names) > 1:
        _together(where, code, names, rows, add)
    sides = {row.side for row in rows if row.side}
    if "both" in sides and (len(sides) > 1 or line.units > 1):
        words = "a side" if len(sides) > 1 else f"{line.units:g} units"
        add(SIDES.finding((code,), f"{where} has modifier 50 with {words}."))
    elif len(sides) > 1:
        add(BOTH_SIDES.finding((code,), f"{where} has modifiers of the right and the left side."))
    return sides.pop() if len(sides) == 1 and "both" not in sides else ""


def _together(where: str, code: str, names: list[str], rows: list[Modifier], add: Callable[[Finding], None]) -> None:
    """Compare the modifiers of one line with each other."""
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        add(TWICE.finding((code,), f"{where} has the modifier {', '.join(twice)} twice."))
    groups: dict[str, set[str]] = {}
    for row in rows:
        if row.exclusive and row.exclusive != "side":
            groups.setdefault(row.exclusive, set()).add(row.modifier)
    for members in groups.values():
        if len(members) > 1:
            add(
                EXCLUSIVE.finding(
                    (code,), f"{where} has the modifiers {' and '.join(sorted(members))}, which exclude each other."
                )
            )
    kinds = [row.kind for row in rows]
    if "pricing" in kinds and "informational" in kinds[: len(kinds) - kinds[::-1].index("pricing")]:
        last = max(i for i, row in enumerate(rows) if row.kind == "pricing")
        early = [row.modifier for row in rows[:last] if row.kind == "informational"]
        add(ORDER.finding((code,), f"{where}: {', '.join(early)} stands before {rows[last].modifier}, which changes payment."))


def _contradiction(view: View, line: Procedure, code: str, side: str, add: Callable[[Finding], None]) -> None:
    pointed = [f for d, f in view.diagnoses if not line.pointers or d.sequence in line.pointers]
    stated = [f for f in pointed if f.side in ("left", "right", "bilateral")]
    opposite = "left" if side == "right" else "right"
    if stated and all(f.side == opposite for f in stated):
        codes = (code, *dict.fromkeys(f.text for f in stated))
        names = ", ".join(codes[1:])
        add(
            CONTRADICTION.finding(codes, f"Line {line.line}: {code} is billed for the {side} side; {names} names the {opposite}.")
        )
