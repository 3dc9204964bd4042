"""Edits of the Official Guidelines: the table of code comparisons, and the rules that need more than codes.

Decision: a comparison of codes ("I10 beside N18") is a row of ``tables/guidelines.toml`` with its citation and two examples, not
a function, so that a coder can review it; what needs ages, weeks, sides or documentation is written here.

References
----------
ICD-10-CM Official Guidelines for Coding and Reporting, CMS and CDC/NCHS; the section stands in each rule.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesuggest.edits.catalogue import SEVERITIES, Rule
from codesuggest.edits.index import CodeFacts
from codesuggest.errors import ConfigError

if TYPE_CHECKING:
    from codesuggest.edits.engine import View
    from codesuggest.records import Finding

__all__ = ["CODE_RULES", "KINDS", "CodeRule", "GuidelineTable", "check", "read_guidelines"]

KINDS = ("together", "needs", "order", "first", "not_first", "present", "one")
_GUIDELINES = "ICD-10-CM Official Guidelines, section"


@dataclass(frozen=True, slots=True)
class CodeRule:
    """A row of the table of guidelines: which codes, in which relation, and what is said.

    Examples
    --------
    >>> table = read_guidelines(Path(__file__).parent / "tables" / "guidelines.toml")
    >>> next(row.kind for row in table.rows if row.rule.id == "GUI-905")
    'together'
    """

    rule: Rule
    kind: str
    when: str
    with_: str
    unless: str
    settings: frozenset[str]
    with_poa: str
    when_poa: str
    first_only: bool
    age_from: float | None
    age_below: float | None
    message: str
    fires: tuple[str, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True)
class GuidelineTable:
    """The rows, and where they come from."""

    source: str
    rows: tuple[CodeRule, ...]

    def groups(self) -> dict[str, str]:
        """Code expressions the index must know, each its own name."""
        return {e: e for row in self.rows for e in (row.when, row.with_, row.unless) if e}

    @cached_property
    def of_order(self) -> frozenset[str]:
        """Ids of the rules that look at the order of the codes."""
        return frozenset(row.rule.id for row in self.rows if row.kind in ("order", "first", "not_first"))


_KEYS = {
    "id",
    "kind",
    "severity",
    "when",
    "with",
    "rows",
    "unless",
    "settings",
    "with_poa",
    "when_poa",
    "first_only",
    "age_from",
    "age_below",
    "message",
    "description",
    "citation",
    "resolution",
    "first",
    "last",
    "fires",
    "silent",
}


def read_guidelines(path: str | Path) -> GuidelineTable:
    """Read a table of guideline rules.

    Raises
    ------
    ConfigError
        CS412 when the file is no TOML or a rule is not complete; the message names the rule.

    Examples
    --------
    >>> len(read_guidelines(Path(__file__).parent / "tables" / "guidelines.toml").rows) > 60
    True
    """
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        msg = f"{path.name!r} is no table of guidelines: {error}. Expected TOML. Correct the file."
        raise ConfigError("CS412", msg) from error
    made = [_rows(path.name, number, row) for number, row in enumerate(data.get("rule", ()), 1)]
    ids = [rows[0].rule.id for rows in made]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        msg = f"{path.name!r} has the rule {twice[0]!r} twice. Expected different ids. Number one anew."
        raise ConfigError("CS412", msg)
    return GuidelineTable(str(data.get("source", path.name)), tuple(row for rows in made for row in rows))


def _rows(name: str, number: int, row: dict[str, Any]) -> list[CodeRule]:
    """Make the rules of one entry: one, or one for each pair of codes of its ``rows``, which share the id."""
    if "rows" not in row:
        return [_row(name, number, row)]
    pairs = row["rows"]
    shape = isinstance(pairs, list) and pairs and all(isinstance(p, list) and [type(c) for c in p] == [str, str] for p in pairs)
    if not shape or "when" in row or "with" in row:
        msg = f"Rule {row.get('id', number)!r} of {name!r} has 'rows' that are not understood. Expected pairs of codes, in the place "
        raise ConfigError("CS412", msg + "of 'when' and 'with'. Correct the rule.")
    rest = {key: value for key, value in row.items() if key != "rows"}
    return [_row(name, number, {**rest, "when": when, "with": with_}) for when, with_ in pairs]


def _row(name: str, number: int, row: dict[str, Any]) -> CodeRule:
    where = f"Rule {row.get('id', number)!r} of {name!r}"
    missing = sorted({"id", "kind", "severity", "when", "message", "description", "citation", "resolution"} - row.keys())
    unknown = sorted(row.keys() - _KEYS)
    if missing or unknown:
        problem = f"has no {missing[0]!r}" if missing else f"has an unknown key {unknown[0]!r}"
        raise ConfigError("CS412", f"{where} {problem}. Expected the keys in the head of the file. Correct the rule.")
    if row["kind"] not in KINDS or row["severity"] not in SEVERITIES:
        msg = f"{where} has the kind {row['kind']!r} and severity {row['severity']!r}. Expected {', '.join(KINDS)}; "
        raise ConfigError("CS412", msg + f"{', '.join(SEVERITIES)}. Correct the rule.")
    if row["kind"] in ("together", "needs", "order") and not row.get("with"):
        raise ConfigError("CS412", f"{where} of kind {row['kind']!r} has no 'with'. Expected codes. Correct the rule.")
    rule = Rule(
        row["id"],
        "guidelines",
        row["severity"],
        row["description"],
        f"{_GUIDELINES} {row['citation']}",
        row["resolution"],
        _as_date(where, row.get("first")),
        _as_date(where, row.get("last")),
    )
    return CodeRule(
        rule,
        row["kind"],
        row["when"],
        row.get("with", ""),
        row.get("unless", ""),
        frozenset(row.get("settings", ())),
        row.get("with_poa", ""),
        row.get("when_poa", ""),
        bool(row.get("first_only", False)),
        _as_age(where, row.get("age_from")),
        _as_age(where, row.get("age_below")),
        row["message"],
        tuple(row.get("fires", ())),
        tuple(row.get("silent", ())),
    )


def _as_date(where: str, value: object) -> dt.date | None:
    if value is None or (isinstance(value, dt.date) and not isinstance(value, dt.datetime)):
        return value
    raise ConfigError("CS412", f"{where} has the date {value!r}. Expected a TOML date such as 2024-10-01. Correct the rule.")


def _as_age(where: str, value: object) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise ConfigError("CS412", f"{where} has the age {value!r}. Expected a number of years such as 0.5. Correct the rule.")


# ------------------------------------------------------------------------------------------- what needs more than codes
DUPLICATE = Rule(
    "GUI-001",
    "guidelines",
    "error",
    "The same diagnosis code twice on one claim.",
    f"{_GUIDELINES} I.B.12 (reporting same diagnosis code more than once)",
    "Leave the repeated code out.",
)
UNCERTAIN = Rule(
    "GUI-002",
    "guidelines",
    "error",
    "A diagnosis documented as uncertain (probable, suspected, likely …) on an outpatient claim.",
    f"{_GUIDELINES} IV.H (uncertain diagnosis)",
    "Code the symptoms, signs or abnormal results that led to the encounter.",
)
DOCUMENTED_BY = Rule(
    "GUI-003",
    "guidelines",
    "warning",
    "A diagnosis that rests on the documentation of someone other than the provider.",
    f"{_GUIDELINES} I.B.14 (documentation by clinicians other than the patient's provider)",
    "Ask the provider to document the condition.",
)
ABNORMAL = Rule(
    "GUI-004",
    "guidelines",
    "warning",
    "An abnormal finding of a laboratory, imaging or pathology report that the provider has not "
    "interpreted, on an inpatient claim.",
    f"{_GUIDELINES} III.B (abnormal findings)",
    "Query the provider about the clinical significance; else leave the code out.",
)
SIDES = Rule(
    "GUI-010",
    "guidelines",
    "warning",
    "The right and the left side of one condition as two codes, where a bilateral code exists.",
    f"{_GUIDELINES} I.B.13 (laterality)",
    "Use the bilateral code.",
)
SIDE_UNKNOWN = Rule(
    "GUI-011",
    "guidelines",
    "warning",
    "A condition of an unspecified side beside the same condition of a stated side.",
    f"{_GUIDELINES} I.B.13 (laterality) and I.B.18 (unspecified codes)",
    "Leave the code of the unspecified side out.",
)
EPISODES = Rule(
    "GUI-012",
    "guidelines",
    "warning",
    "One injury with the seventh characters of two kinds of encounter.",
    f"{_GUIDELINES} I.C.19.a (application of 7th characters)",
    "Keep the seventh character of this encounter.",
)
INTENTS = Rule(
    "GUI-013",
    "guidelines",
    "warning",
    "One drug as poisoning, adverse effect or underdosing at once.",
    f"{_GUIDELINES} I.C.19.e.5 (poisoning, adverse effects, underdosing)",
    "Keep the code that agrees with how the drug was taken.",
)
USE_AND_MORE = Rule(
    "GUI-014",
    "guidelines",
    "warning",
    "Use, abuse and dependence of one substance as two codes.",
    f"{_GUIDELINES} I.C.5.b.2 (psychoactive substance use, abuse and dependence)",
    "Keep one: dependence before abuse before use.",
)
TRIMESTER = Rule(
    "GUI-015",
    "guidelines",
    "warning",
    "A trimester that does not agree with the weeks of gestation.",
    f"{_GUIDELINES} I.C.15.a.3 (final character for trimester); trimesters at chapter 15",
    "Correct the trimester or the weeks; in a long stay the trimester is that in which the complication arose.",
)
ULCER_STAGES = Rule(
    "GUI-017",
    "guidelines",
    "advice",
    "A pressure ulcer of one site with two stages.",
    f"{_GUIDELINES} I.C.12.a (pressure ulcer stages)",
    "Keep both for two ulcers of the site, or (inpatient) for the stage at admission, POA Y, and a higher stage reached later, POA N; "
    "else keep the highest stage of the encounter.",
)
ULCER_UNSTAGED = Rule(
    "GUI-018",
    "guidelines",
    "warning",
    "A pressure ulcer of unspecified stage beside one of the same site with a stage.",
    f"{_GUIDELINES} I.C.12.a.2 and I.B.18 (unspecified codes)",
    "Leave the code of unspecified stage out.",
)
CONFIRMED_ONLY = Rule(
    "GUI-005",
    "guidelines",
    "error",
    "HIV disease, COVID-19, Zika virus disease or an identified influenza documented as uncertain, on an inpatient claim.",
    f"{_GUIDELINES} I.C.1.a.1, I.C.1.f, I.C.1.g.1.a and I.C.10.c (only confirmed cases are coded: exceptions to II.H)",
    "Code the symptoms or the exposure; for influenza J11.-; or query the provider.",
)
EXTERNAL_EPISODE = Rule(
    "GUI-2003",
    "guidelines",
    "warning",
    "An external cause whose seventh character agrees with no injury of the claim.",
    f"{_GUIDELINES} I.C.20.a.2 (external cause code used for length of treatment)",
    "Use the seventh character of the injury: A while it is treated actively, D after, S for a sequela.",
)
PLACE_LATER = Rule(
    "GUI-2004",
    "guidelines",
    "warning",
    "Place, activity or status of an external cause where every injury is of a subsequent encounter or a sequela.",
    f"{_GUIDELINES} I.C.20.b, I.C.20.c and I.C.20.k (used only once, at the initial encounter for treatment)",
    "Leave the codes of Y92, Y93 and Y99 out after the initial encounter.",
)
BMI_ADULT = Rule(
    "GUI-016",
    "guidelines",
    "warning",
    "An adult body mass index code under 20 years of age, or a pediatric one outside 2 to 19.",
    "ICD-10-CM Tabular List, notes at Z68",
    "Use the code for the patient's age.",
)
SYMPTOM = Rule(
    "GUI-020",
    "guidelines",
    "warning",
    "A sign or symptom that is a routine part of a confirmed diagnosis on the claim.",
    f"{_GUIDELINES} I.B.5 (conditions that are an integral part of a disease process)",
    "Leave the symptom out unless it has another cause.",
)
SYMPTOM_FIRST = Rule(
    "GUI-021",
    "guidelines",
    "warning",
    "A sign or symptom as principal diagnosis beside the confirmed diagnosis that explains it.",
    f"{_GUIDELINES} II.A (symptoms, signs and ill-defined conditions)",
    "Sequence the confirmed diagnosis first and leave the symptom out.",
)
WITH_AND_WITHOUT = Rule(
    "GUI-022",
    "guidelines",
    "warning",
    "One condition with and without the same kind of complication (uncomplicated and with, without and with, not intractable and "
    "intractable).",
    f"{_GUIDELINES} I.B.2 (level of detail) and I.B.9 (combination code)",
    "Keep the code that agrees with the record.",
)
UNSPECIFIED = Rule(
    "GUI-023",
    "guidelines",
    "advice",
    "An unspecified code beside a more specific one of the same subcategory.",
    f"{_GUIDELINES} I.B.2 (level of detail) and I.B.18 (unspecified codes)",
    "Leave the unspecified code out unless it stands for another condition.",
)
GLAUCOMA_STAGES = Rule(
    "GUI-701",
    "guidelines",
    "warning",
    "Glaucoma of one type and eye with two stages.",
    f"{_GUIDELINES} I.C.7.a (glaucoma)",
    "Keep one stage for the eye, the highest of the stay.",
)
BURN_DEGREES = Rule(
    "GUI-1907",
    "guidelines",
    "warning",
    "Burns of one site and side with two degrees.",
    f"{_GUIDELINES} I.C.19.d.2 (burns of the same anatomic site)",
    "Keep the highest degree of the site.",
)
SUPERFICIAL = Rule(
    "GUI-1910",
    "guidelines",
    "advice",
    "A superficial injury of an arm or leg beside a more severe injury of the same region and side.",
    f"{_GUIDELINES} I.C.19.b.1 (superficial injuries)",
    "Leave the superficial injury out when both are of the same site.",
)
RULES = (
    DUPLICATE,
    UNCERTAIN,
    DOCUMENTED_BY,
    ABNORMAL,
    CONFIRMED_ONLY,
    SIDES,
    SIDE_UNKNOWN,
    EPISODES,
    INTENTS,
    USE_AND_MORE,
    TRIMESTER,
    BMI_ADULT,
    ULCER_STAGES,
    ULCER_UNSTAGED,
    SYMPTOM,
    SYMPTOM_FIRST,
    WITH_AND_WITHOUT,
    UNSPECIFIED,
    GLAUCOMA_STAGES,
    BURN_DEGREES,
    SUPERFICIAL,
    EXTERNAL_EPISODE,
    PLACE_LATER,
)
CODE_RULES = RULES

OTHER_CLINICIANS = "Z68, L89, L97, L98.4, R40.2, R29.7, Y90, Z55-Z65, Z28.3, W32-W34, X72-X74, X93-X95, Y22-Y24"
ABNORMAL_FINDINGS = "R70-R94"
GROUPS = {
    "substance": "F10-F16, F18-F19",
    "weeks": "Z3A.08-Z3A.42, Z3A.49",
    "trimester": "O00-O9A",
    "bmi_adult": "Z68.1-Z68.4",
    "bmi_child": "Z68.5",
    "injury": "S00-T34, T51-T79",
    "drug": "T36-T50",
    "symptom": "R00-R69, M25.5, M79.1, M79.6",
    "other_clinicians": OTHER_CLINICIANS,
    "abnormal": ABNORMAL_FINDINGS,
    "wrong_procedure": "Y65.5",
    "confirmed": "A92.5, B20, J09, J10, U07.1",
    "pressure_ulcer": "L89",
    "injured": "S00-T88",
    "external": "V00-Y38",
    "place": "Y92, Y93, Y99",
    "glaucoma": "H40",
    "unspecified_told": "I50.9, I21.9, J44.9, N18.9, L89, M81, A41.9, D64.9, E66.9, E78.5, F17.200, G93.40, I48.91, I63.9, J18.9, N17.9",
}
_TRIMESTER = re.compile(r"\b(first|second|third) trimester\b")


def _weeks(code_text: str) -> int:
    return int(code_text[4:6])


def trimester_of(weeks: int) -> str:
    """Trimester of completed weeks: first under 14, second 14 to 27, third from 28.

    Examples
    --------
    >>> [trimester_of(w) for w in (13, 14, 27, 28)]
    ['first', 'second', 'second', 'third']
    """
    return "first" if weeks < 14 else "second" if weeks < 28 else "third"


def _sides(view: View, add: Callable[[Finding], None]) -> None:
    by_base: dict[str, list[CodeFacts]] = {}
    for facts in view.known:
        if facts.side:
            by_base.setdefault(facts.key[:3] + facts.base, []).append(facts)
    release = view.index.release
    for members in by_base.values():
        sides = {f.side: f for f in members}
        if len(sides) < 2:
            continue
        if "right" in sides and "left" in sides:
            right, left = sides["right"], sides["left"]
            both = view.index.bilateral(right)
            if both:
                codes = tuple(sorted((left.text, right.text)))
                add(
                    SIDES.finding(codes, f"{codes[0]} and {codes[1]} name both sides: {both} is bilateral.", release=release.name)
                )
        if "unspecified" in sides:
            vague = sides["unspecified"]
            stated = tuple(sorted(f.text for f in members if f.side != "unspecified"))
            add(
                SIDE_UNKNOWN.finding(
                    (vague.text, *stated), f"{vague.text} names no side; {', '.join(stated)} names it.", release=release.name
                )
            )


def _same_injury(view: View, add: Callable[[Finding], None]) -> None:
    name = view.index.release.name
    injury, drug = view.bits["injury"], view.bits["drug"]
    stems: dict[str, CodeFacts] = {}
    for facts in view.known:
        key = facts.key
        if len(key) != 7:
            continue
        if facts.mask & (injury | drug):
            other = stems.setdefault(key[:6], facts)
            if other.key[6] != key[6]:
                codes = tuple(sorted((other.text, facts.text)))
                message = f"{codes[0]} and {codes[1]} are one condition with the seventh characters of two kinds of encounter."
                add(EPISODES.finding(codes, message, release=name))
        if facts.mask & drug:
            at = 5 if key[5] != "X" else 4
            if key[at] in "123456":
                stem = f"drug {key[:at]}"
                other = stems.setdefault(stem, facts)
                if (other.key[at] in "1234") != (key[at] in "1234") or {other.key[at], key[at]} == {"5", "6"}:
                    codes = tuple(sorted((other.text, facts.text)))
                    words = {"5": "an adverse effect", "6": "underdosing"}
                    message = (
                        f"{codes[0]} and {codes[1]} code one drug as {words.get(other.key[at], 'poisoning')} and "
                        f"as {words.get(key[at], 'poisoning')}."
                    )
                    add(INTENTS.finding(codes, message, release=name))


_CONTRASTS = (
    (re.compile(r",? without |,? uncomplicated$"), (" with ", ", with ")),
    (re.compile(r", not intractable"), (", intractable",)),
)
_OF_EACH_EYE_OR_ATTACK = re.compile(r" without (?:macular edema|aura)")


@lru_cache(maxsize=20_000)
def _contrasts(title: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Beginnings of a title before what it denies, each with what would follow it in a title that states the same.

    Examples
    --------
    >>> _contrasts("Alcohol dependence, uncomplicated")
    (('Alcohol dependence', (' with ', ', with ')),)
    """
    if _OF_EACH_EYE_OR_ATTACK.search(title):
        return ()
    return tuple((title[: m.start()], stated) for denied, stated in _CONTRASTS for m in denied.finditer(title))


def denies(a: CodeFacts, b: CodeFacts) -> bool:
    """Whether a title says "without" where another, of no other side, says "with".

    Examples
    --------
    >>> denies(CodeFacts("N30.00"), CodeFacts("N30.01"))  # without a release there are no titles
    False
    """
    if a.side != b.side:
        return False
    for lead, stated in _contrasts(a.title):
        if b.title.startswith(lead) and not lead.endswith("diabetes mellitus"):  # GUI-401 to GUI-403 tell of these
            rest = b.title[len(lead) :]
            if rest.startswith(stated) and not rest.startswith(" with or without"):
                return True
    return False


def _neighbours(view: View, categories: dict[str, list[CodeFacts]], add: Callable[[Finding], None]) -> None:
    """Compare the codes of one category: with and without, unspecified and specified."""
    release = view.index.release
    told = view.bits["unspecified_told"]
    for members in categories.values():
        if len(members) < 2 or members[0].key[0] in "OSTVWXY":
            continue  # of several wounds, fetuses or causes each has its own code
        for a in members:
            vague = "nspecified" in a.title and a.side != "unspecified" and not a.mask & told
            stem = (release.parent(a.text) or "").replace(".", "") if vague else ""
            if stem and len(stem) == 3 and release.title(stem).startswith("Other"):
                stem = ""  # a category of what is left over holds conditions that differ
            for b in members:
                if a is b:
                    continue
                if denies(a, b):
                    message = f"{a.text} ({a.title}) and {b.text} ({b.title}) contradict each other."
                    add(WITH_AND_WITHOUT.finding((a.text, b.text), message, release=release.name))
                elif stem and b.key.startswith(stem) and "nspecified" not in b.title and not denies(b, a):
                    message = f"{a.text} ({a.title}) is less specific than {b.text} ({b.title})."
                    add(UNSPECIFIED.finding((a.text, b.text), message, release=release.name))


_SEVERE = "12378"  # third character of open wounds, fractures, dislocations, crushing injuries, amputations


def _degrees(view: View, add: Callable[[Finding], None]) -> None:
    """Compare burns of one site, and superficial injuries with what is worse in the same region."""
    name = view.index.release.name
    burns: dict[tuple[str, str, bool, str], CodeFacts] = {}
    for facts in view.known:
        key = facts.key
        if len(key) == 7 and "T20" <= key[:3] <= "T25":
            other = burns.setdefault((key[:3], key[4:6], key[3] < "4", key[6]), facts)
            if other.key[3] != key[3]:
                codes = tuple(sorted((other.text, facts.text)))
                message = f"{codes[0]} and {codes[1]} are two degrees of a burn of one site."
                add(BURN_DEGREES.finding(codes, message, release=name))
        elif len(key) == 7 and key[0] == "S" and key[1] in "456789" and key[2] == "0" and facts.side in ("right", "left"):
            worse = tuple(
                f.text
                for f in view.known
                if f.key[:2] == key[:2] and f.key[2] in _SEVERE and f.side == facts.side and f.key[6:] == key[6]
            )
            if worse:
                message = f"{facts.text} (superficial) stands beside {', '.join(worse)} of the same region and side."
                add(SUPERFICIAL.finding((facts.text, *worse), message, release=name))


def _glaucoma(view: View, add: Callable[[Finding], None]) -> None:
    stages: dict[str, CodeFacts] = {}
    for facts in view.known:
        if facts.mask & view.bits["glaucoma"] and len(facts.key) == 7:
            other = stages.setdefault(facts.key[:6], facts)
            if other is not facts:
                codes = tuple(sorted((other.text, facts.text)))
                message = f"{codes[0]} and {codes[1]} are two stages of the glaucoma of one eye."
                add(GLAUCOMA_STAGES.finding(codes, message, release=view.index.release.name))


def _ulcers(view: View, add: Callable[[Finding], None]) -> None:
    bit, name = view.bits["pressure_ulcer"], view.index.release.name
    sites: dict[str, list[CodeFacts]] = {}
    for facts in view.known:
        if facts.mask & bit and facts.billable:
            sites.setdefault(facts.key[:-1], []).append(facts)
    for members in sites.values():
        staged = tuple(sorted({f.text for f in members if f.key[-1] != "9"}))
        vague = tuple(sorted({f.text for f in members if f.key[-1] == "9"}))
        if vague and staged:
            message = f"{vague[0]} names no stage; {', '.join(staged)} names it."
            add(ULCER_UNSTAGED.finding((*vague, *staged), message, release=name))
        if len(staged) > 1:
            values = {(d.poa or "").upper() for d, f in view.diagnoses if f.text in staged}
            if not (view.is_inpatient and {"Y", "N"} <= values):
                message = f"{' and '.join(staged)} are stages of pressure ulcers of one site."
                add(ULCER_STAGES.finding(staged, message, release=name))


def _episode(character: str) -> str:
    """Kind of encounter of a seventh character.

    Examples
    --------
    >>> [_episode(c) for c in "ABCDRS"]
    ['initial', 'initial', 'initial', 'subsequent', 'subsequent', 'sequela']
    """
    return "initial" if character in "ABC" else "sequela" if character == "S" else "subsequent"


def _external(view: View, add: Callable[[Finding], None]) -> None:
    """Compare the external causes with the injuries; a claim without an injury that has a seventh character says nothing."""
    injured, name = view.bits["injured"], view.index.release.name
    kinds = {_episode(f.key[6]) for f in view.known if f.mask & injured and len(f.key) == 7}
    if not kinds:
        return
    for facts in view.known:
        if facts.mask & view.bits["external"] and len(facts.key) == 7 and _episode(facts.key[6]) not in kinds:
            message = f"{facts.text} is of the {_episode(facts.key[6])} kind; the injuries are {' and '.join(sorted(kinds))}."
            add(EXTERNAL_EPISODE.finding((facts.text,), message, release=name))
    if "initial" not in kinds:
        codes = tuple(dict.fromkeys(f.text for f in view.known if f.mask & view.bits["place"]))
        if codes:
            message = f"{', '.join(codes)} belongs to the initial encounter; the injuries are {' and '.join(sorted(kinds))}."
            add(PLACE_LATER.finding(codes, message, release=name))


def _substances(view: View, add: Callable[[Finding], None]) -> None:
    kinds: dict[str, dict[str, CodeFacts]] = {}
    bit = view.bits["substance"]
    for facts in view.known:
        if facts.mask & bit and len(facts.key) > 3 and facts.key[3] in "129":
            kinds.setdefault(facts.key[:3], {}).setdefault(facts.key[3], facts)
    for found in kinds.values():
        if len(found) > 1:
            kept = next(found[k] for k in "219" if k in found)
            codes = tuple(sorted(f.text for f in found.values()))
            message = f"{' and '.join(codes)} name one substance in two ways; only {kept.text} is assigned."
            add(USE_AND_MORE.finding(codes, message, release=view.index.release.name))


def _trimesters(view: View, add: Callable[[Finding], None]) -> None:
    weeks = sorted({f.text for f in view.known if f.mask & view.bits["weeks"]})
    if not weeks:
        return
    allowed = {trimester_of(_weeks(w)) for w in weeks}
    for facts in view.known:
        if facts.mask & view.bits["trimester"]:
            match = _TRIMESTER.search(facts.title)
            if match and match[1] not in allowed:
                add(
                    TRIMESTER.finding(
                        (facts.text, *weeks),
                        f"{facts.text} says {match[1]} trimester; {', '.join(weeks)} is the {' or '.join(sorted(allowed))}.",
                        release=view.index.release.name,
                    )
                )


def _documentation(view: View, add: Callable[[Finding], None]) -> None:
    name = view.index.release.name
    others, abnormal = view.bits["other_clinicians"], view.bits["abnormal"]
    for diagnosis, facts in view.diagnoses:
        if diagnosis.is_uncertain and not view.is_inpatient:
            message = f"{facts.text} is documented as uncertain; in outpatient care only what is confirmed is coded."
            add(UNCERTAIN.finding((facts.text,), message, release=name))
        elif diagnosis.is_uncertain and facts.mask & view.bits["confirmed"]:
            message = f"{facts.text} is documented as uncertain; only confirmed cases are coded, at inpatient discharge too."
            add(CONFIRMED_ONLY.finding((facts.text,), message, release=name))
        who = diagnosis.documented_by
        if who == "provider" or facts.i < 0:
            continue
        if who in ("laboratory", "radiology", "pathology"):
            if view.is_inpatient:
                message = f"{facts.text} rests on a {who} report alone; the provider has to state its significance."
                add(ABNORMAL.finding((facts.text,), message, release=name))
            elif who == "laboratory" and not facts.mask & abnormal:
                message = f"{facts.text} rests on a laboratory result alone; a diagnosis is the provider's to make."
                add(DOCUMENTED_BY.finding((facts.text,), message, release=name))
        elif not facts.mask & others:
            message = f"{facts.text} rests on the documentation of a {who}; I.B.14 does not list it among the exceptions."
            add(DOCUMENTED_BY.finding((facts.text,), message, release=name))


def _ages(view: View, add: Callable[[Finding], None]) -> None:
    age = view.claim.age_years
    if age is None:
        return
    adult, child = view.bits["bmi_adult"], view.bits["bmi_child"]
    for facts in view.known:
        if facts.mask & adult and age < 20:
            message = f"{facts.text} is for patients of 20 years or older; this one is {age:g}."
            add(BMI_ADULT.finding((facts.text,), message, release=view.index.release.name))
        elif facts.mask & child and not 2 <= age < 20:
            message = f"{facts.text} is for patients of 2 to 19 years; this one is {age:g}."
            add(BMI_ADULT.finding((facts.text,), message, release=view.index.release.name))


def _symptoms(view: View, add: Callable[[Finding], None]) -> None:
    name = view.index.release.name
    for symptom, disease, row in view.tables.bound_integral:
        if not view.union & symptom or not view.union & disease:
            continue
        found = [f for f in view.known if f.mask & disease]
        for facts in view.known:
            if facts.mask & symptom and not facts.mask & disease:
                codes = (facts.text, *dict.fromkeys(f.text for f in found))
                message = f"{facts.text} ({row.words}) is a routine part of {', '.join(codes[1:])}."
                rule = SYMPTOM_FIRST if facts is view.principal and view.is_inpatient else SYMPTOM
                add(rule.finding(codes, message, release=name))


def _compare(view: View, row: CodeRule, a: int, b: int, unless: int, add: Callable[[Finding], None]) -> None:
    """Look at one row whose codes are on the claim."""
    known, age = view.known, view.claim.age_years
    if (row.age_from is not None and (age is None or age < row.age_from)) or (
        row.age_below is not None and (age is None or age >= row.age_below)
    ):
        return
    hits: list[CodeFacts]
    others: list[CodeFacts]
    if row.kind == "first":
        if view.principal is None or not view.principal.mask & a or (unless and view.union & unless):
            return
        hits, others = [view.principal], []
    elif row.kind == "not_first":
        if view.first_mask & unless or view.first_mask & a:
            return
        hits, others = [f for f in known if f.mask & a], []
        if row.when_poa:
            said = {f.text for d, f in view.diagnoses if (d.poa or "").upper() == row.when_poa}
            hits = [f for f in hits if f.text in said]
            if not hits:
                return
    elif row.kind in ("present", "one"):
        if unless and view.union & unless:
            return
        hits, others = [f for f in known if f.mask & a], []
        if row.kind == "one" and len({f.text for f in hits}) < 2:
            return
    elif row.kind == "needs":
        if view.union & b or (unless and view.union & unless):
            return
        hits, others = [f for f in known if f.mask & a], []
    else:
        if unless and view.union & unless:
            return
        hits, others = [f for f in known if f.mask & a], [f for f in known if f.mask & b]
        if row.with_poa:
            said = {f.text for d, f in view.diagnoses if (d.poa or "").upper() == row.with_poa}
            others = [f for f in others if f.text in said]
        if not others or {f.text for f in hits} | {f.text for f in others} == {hits[0].text}:
            return
        if row.kind == "order":
            if row.first_only and hits[0] is not view.principal:
                return
            first = min(known.index(f) for f in others)
            hits = [f for f in hits if known.index(f) < first]
            if not hits:
                return
            if row.first_only:
                hits = hits[:1]
    names_a = tuple(dict.fromkeys(f.text for f in hits))
    names_b = tuple(dict.fromkeys(f.text for f in others if f.text not in names_a))
    if others and not names_b:
        return
    message = row.message.replace("{a}", ", ".join(names_a)).replace("{b}", ", ".join(names_b))
    add(row.rule.finding((*names_a, *names_b), message, release=view.index.release.name))


def check(view: View, add: Callable[[Finding], None]) -> None:
    """Run the family on a claim."""
    union, on, setting = view.union, view.on, view.claim.setting
    concerned, rows = view.tables.bound_guidelines
    left = union & concerned
    while left:  # one bit after another: a claim has few of them, and most rows are not looked at
        bit = left & -left
        left ^= bit
        for row, a, b, unless in rows[bit]:
            concerns = (not b or row.kind == "needs" or union & b) and (not row.settings or setting in row.settings)
            if concerns and row.rule.holds(on):
                _compare(view, row, a, b, unless, add)
    texts = [f.text for _, f in view.diagnoses]
    if len(set(texts)) != len(texts):
        for text in sorted({t for t in texts if texts.count(t) > 1}):
            add(
                DUPLICATE.finding(
                    (text,), f"{text} stands {texts.count(text)} times on the claim.", release=view.index.release.name
                )
            )
    bits = view.bits
    if len(view.known) > 1:
        categories: dict[str, list[CodeFacts]] = {}
        for facts in dict.fromkeys(view.known):
            categories.setdefault(facts.key[:3], []).append(facts)
        if len(categories) < len(view.known):
            _neighbours(view, categories, add)
    if union & (bits["injury"] | bits["drug"]):
        _same_injury(view, add)
        _degrees(view, add)
    if union & bits["glaucoma"]:
        _glaucoma(view, add)
    if union & bits["substance"]:
        _substances(view, add)
    if union & bits["weeks"]:
        _trimesters(view, add)
    if union & (bits["bmi_adult"] | bits["bmi_child"]):
        _ages(view, add)
    if union & bits["pressure_ulcer"]:
        _ulcers(view, add)
    if union & (bits["external"] | bits["place"]):
        _external(view, add)
    if union & bits["symptom"]:
        _symptoms(view, add)
    if view.has_sides:
        _sides(view, add)
    if view.has_documentation:
        _documentation(view, add)
