"""The small language in which a trigger says what counts.

One line is one demand; the lines of a trigger must all be met. Within a line::

    sodium < 130                     a value beyond a limit, in the unit of the table of indicators
    sodium < 135 x2                  at two places at least
    troponin_i = high                beyond the reference range (high, low, abnormal, normal), or positive, negative
    furosemide[iv]                   an indicator with this word among its details
    bipap                            an indicator or a phrase of the table of words is there, and present
    home oxygen_therapy              given at home
    dx sepsis                        a physician gives it as a diagnosis of this encounter
    hx ckd                           documented, now or before
    not ckd                          what follows is not met
    age >= 65     sex = F            of the patient
    both pneumonia                   held against each other (`codesuggest.queries.comparisons`): both, sides, sideless, differs, late, undated
    creatinine_rise                  worked out from several values (`codesuggest.queries.derived`)
    a | b      a & b      a or b     either, both; `or` binds first, then `&`, then `|`
    2 of: a | b or c | d             at least two
    a | {2 of: b | c | d}            braces hold a line within a line
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from codesuggest.errors import ConfigError
from codesuggest.queries.case import Case, Statement
from codesuggest.queries.comparisons import COMPARISONS
from codesuggest.queries.derived import DERIVED
from codesuggest.queries.values import Indicator
from codesuggest.records import Span

__all__ = ["Condition", "Item", "items_of", "now_there", "parse"]

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ATOM = re.compile(
    r"(?:(?P<how>dx|hx|home|both|sides|sideless|differs|late|undated)\s+)?(?P<name>[A-Za-z][\w:.-]*)(?:\[(?P<detail>[^\]]+)\])?"
    r"(?:\s*(?P<op><=|>=|<|>|=)\s*(?P<value>[\w.+-]+))?(?:\s+x(?P<times>\d))?$"
)
_GROUPS = {
    "high": ("high", "critical_high"),
    "low": ("low", "critical_low"),
    "critical": ("critical_high", "critical_low"),
    "abnormal": ("high", "low", "critical_high", "critical_low", "abnormal"),
    "normal": ("normal",),
}
_RESULTS = {"positive": ("positive", "growth", "detected", "present"), "negative": ("negative", "no growth", "not detected")}


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """Something in the record that met a condition.

    Parameters
    ----------
    note : int
        Which note of the case.
    span : Span
    name : str
    when : str
    section : str
    is_word : bool
        Found as a phrase, and so quoted with the words round it.
    """

    note: int
    span: Span
    name: str
    when: str = ""
    section: str = "other"
    is_word: bool = False


Condition = Callable[[Case], list[Item] | None]
"""What met it, or None when it is not met; a condition on what is not there is met by an empty list."""


def items_of(statements: Iterable[Statement]) -> list[Item]:
    """Return statements as items."""
    return [Item(s.note, s.span, s.name, "", s.section, True) for s in statements]


def _item(note: int, i: Indicator) -> Item:
    return Item(note, i.span, i.name, i.when or "", i.section or "other")


def parse(line: str, names: frozenset[str], *, where: str) -> Condition:
    """Parse one line.

    Parameters
    ----------
    line : str
    names : frozenset of str
        Names of the tables of indicators and of words.
    where : str
        The trigger, for messages.

    Raises
    ------
    ConfigError
        CS451 when the line is not understood or names what no table holds.
    """
    n = 1
    m = re.match(r"(\d) of:\s*", line)
    if m is not None:
        n, line = int(m.group(1)), line[m.end() :]
    choices = [_both(part, names, where) for part in _split(line, "|")]
    return choices[0] if len(choices) == 1 else _at_least(n, choices)


def _split(line: str, mark: str) -> list[str]:
    """Split a line at a mark, not within braces."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(line):
        depth += (character == "{") - (character == "}")
        if depth == 0 and line.startswith(mark, i):
            parts.append(line[start:i])
            start = i + len(mark)
    return [*parts, line[start:]]


def _at_least(n: int, choices: list[Condition]) -> Condition:
    def condition(case: Case) -> list[Item] | None:
        met = [found for choice in choices if (found := choice(case)) is not None]
        return [item for found in met for item in found] if len(met) >= n else None

    return condition


def _both(part: str, names: frozenset[str], where: str) -> Condition:
    all_of = [_either(p, names, where) for p in _split(part, "&")]
    if len(all_of) == 1:
        return all_of[0]

    def condition(case: Case) -> list[Item] | None:
        items: list[Item] = []
        for each in all_of:
            found = each(case)
            if found is None:
                return None
            items.extend(found)
        return items

    return condition


def _either(part: str, names: frozenset[str], where: str) -> Condition:
    atoms = [_atom(p.strip(), names, where) for p in _split(part, " or ")]
    return atoms[0] if len(atoms) == 1 else _at_least(1, atoms)


def _atom(written: str, names: frozenset[str], where: str) -> Condition:
    if written.startswith("{") and written.endswith("}"):
        return parse(written[1:-1].strip(), names, where=where)
    if written.startswith("not "):
        inner = _atom(written[4:].strip(), names, where)
        return lambda case: [] if inner(case) is None else None
    m = _ATOM.match(written)
    if m is None:
        raise ConfigError("CS451", f"{where}: {written!r} is not a condition. Expected one of the forms in the table's head.")
    how, name, op, value = m.group("how"), m.group("name"), m.group("op"), m.group("value")
    if name == "age" and op in _COMPARE:
        limit, compare = float(value), _COMPARE[op]
        return lambda case: [] if case.age_years is not None and compare(case.age_years, limit) else None
    if name == "sex" and op == "=":
        return lambda case: [] if case.sex == value else None
    if how is None and name in DERIVED and op is None:
        derive = DERIVED[name]
        return lambda case: [_item(note, i) for note, i in found] if (found := derive(case)) else None
    if name not in names:
        raise ConfigError(
            "CS451", f"{where}: {name!r} in {written!r} is in no table. Expected an indicator, a name of words.toml, or a derived one."
        )
    if how in COMPARISONS:
        compare_statements = COMPARISONS[how]
        return lambda case: items_of(compare_statements(case, name)) or None
    if how in ("dx", "hx"):
        return _diagnosis(name, how)
    times = int(m.group("times") or 1)
    if op is None and times > 1:
        return _beyond(name, ">=", float("-inf"), times)
    if op is None:
        return _there(name, m.group("detail"), how == "home")
    if op == "=":
        return _result(name, value, where)
    return _beyond(name, op, float(value), times)


def _diagnosis(name: str, how: str) -> Condition:
    def condition(case: Case) -> list[Item] | None:
        return items_of(case.addressed(name) if how == "dx" else case.known(name)) or None

    return condition


def _now(case: Case, name: str) -> list[tuple[int, Indicator]]:
    return [(n, i) for n, i in case.indicators.get(name, ()) if i.asserted == "present" and i.section != "family_history"]


def now_there(case: Case, name: str) -> list[Item]:
    """Return what the record shows under a name: the worst abnormal value first, then in the order of the text."""
    values = [
        (n, i)
        for n, i in _now(case, name)
        if i.setting not in ("home", "discharge") and not (i.value is None and i.result in _RESULTS["negative"])
    ]
    first = [v for v in values if v[1].interpretation in ("critical_low", "critical_high")]
    then = [v for v in values if v[1].interpretation in ("low", "high", "abnormal")]
    rest = [v for v in values if v not in first and v not in then]
    return [*(_item(n, i) for n, i in (*first, *then, *rest)), *items_of(case.present(name))]


def _there(name: str, detail: str | None, at_home: bool) -> Condition:
    wanted = detail.lower() if detail else ""

    def condition(case: Case) -> list[Item] | None:
        found = []
        for n, i in _now(case, name):
            if at_home != (i.setting == "home") or (i.setting == "discharge" and not at_home):
                continue
            if i.result in _RESULTS["negative"] and i.value is None:
                continue
            if not wanted or any(wanted in v.lower() for _, v in i.details) or wanted in i.result.lower():
                found.append(_item(n, i))
        if not at_home and not wanted:
            found.extend(items_of(case.present(name)))
        return found or None

    return condition


def _result(name: str, value: str, where: str) -> Condition:
    if value not in _GROUPS and value not in _RESULTS:
        raise ConfigError("CS451", f"{where}: {name} = {value!r}. Expected {', '.join([*_GROUPS, *_RESULTS])}.")
    interpretations, results = _GROUPS.get(value, ()), _RESULTS.get(value, ())

    def condition(case: Case) -> list[Item] | None:
        found = [_item(n, i) for n, i in _now(case, name) if i.interpretation in interpretations or i.result in results]
        return found or None

    return condition


def _beyond(name: str, op: str, limit: float, times: int) -> Condition:
    compare, is_below = _COMPARE[op], op[0] == "<"

    def condition(case: Case) -> list[Item] | None:
        found = [
            (i.value, n, i)
            for n, i in _now(case, name)
            if i.value is not None
            and compare(i.value, limit)
            and i.comparator[:1] != (">" if is_below else "<")
            and i.when != "baseline"
        ]
        if len({i.span for _, _, i in found}) < times:
            return None
        found.sort(key=lambda f: (f[0] if is_below else -f[0], f[1], f[2].span))
        return [_item(n, i) for _, n, i in found]

    return condition
