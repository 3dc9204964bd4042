"""Payer policies: a small dated TOML format, its validation with line numbers, its edits, and a test bench for its authors.

A file holds ``[policy]`` (id, payer, plan, title, source, effective, expires), any number of ``[[rule]]`` and of ``[[test]]``.
Two complete examples stand in ``tables/policies``.

=================  ==================================================================================================
kind               finds a line whose code is one of ``codes`` and …
=================  ==================================================================================================
coverage           none of the diagnoses it points to is in ``diagnoses`` (medical necessity)
exclusion          one of the diagnoses it points to is in ``diagnoses``
frequency          there are more than ``max_units`` in ``per_days`` days, the claim's history counted
age                the patient is under ``min_age`` or over ``max_age``
authorization      the claim does not name the code among its authorizations
modifier           it has none of ``require_any``, or one of ``refuse``
bundling           a code of ``with`` stands on the same day; with ``allow = true`` the pair is paid, and NCCI is not asked
=================  ==================================================================================================

References
----------
The payer's own policy, named in ``source``; the format follows what Medicare's local coverage articles state.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesuggest.edits.catalogue import SEVERITIES, Rule
from codesuggest.edits.claim import claim_from_text
from codesuggest.errors import CodesuggestError, ConfigError
from codesuggest.records import SETTINGS

if TYPE_CHECKING:
    from codesuggest.edits.claim import Procedure
    from codesuggest.edits.engine import Tables, View
    from codesuggest.records import Finding

__all__ = [
    "KINDS",
    "BenchResult",
    "Policy",
    "PolicyRule",
    "PolicyTest",
    "check",
    "read_policies",
    "read_policy",
    "run_bench",
]

_FIELDS: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "kind": (str,),
    "codes": (list,),
    "message": (str,),
    "severity": (str,),
    "diagnoses": (str,),
    "unless_diagnoses": (str,),
    "max_units": (int, float),
    "per_days": (int,),
    "min_age": (int, float),
    "max_age": (int, float),
    "require_any": (list,),
    "refuse": (list,),
    "with": (list,),
    "allow": (bool,),
    "settings": (list,),
    "resolution": (str,),
}
_NEEDS = {
    "coverage": ("diagnoses",),
    "exclusion": ("diagnoses",),
    "frequency": ("max_units", "per_days"),
    "age": (),
    "authorization": (),
    "modifier": (),
    "bundling": ("with",),
}
KINDS = tuple(_NEEDS)
_POLICY_FIELDS = ("id", "payer", "plan", "title", "source", "effective", "expires")


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule of a policy; the fields are those of the file."""

    rule: Rule
    name: str
    kind: str
    codes: frozenset[str]
    message: str
    diagnoses: str = ""
    unless_diagnoses: str = ""
    max_units: float = 0
    per_days: int = 0
    min_age: float | None = None
    max_age: float | None = None
    require_any: tuple[str, ...] = ()
    refuse: tuple[str, ...] = ()
    with_: frozenset[str] = frozenset()
    allow: bool = False
    settings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """A claim in one line, its day, and the names of the rules that fire."""

    line: int
    claim: str
    on: dt.date
    fires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of one payer for one date range."""

    id: str
    payer: str
    plan: str
    title: str
    source: str
    effective: dt.date
    expires: dt.date | None
    rules: tuple[PolicyRule, ...]
    tests: tuple[PolicyTest, ...]

    def applies(self, payer: str, plan: str, on: dt.date) -> bool:
        """Whether the policy is that of a payer and plan on a day; ``"*"`` stands for any plan."""
        return (
            self.payer == payer
            and self.plan in ("*", plan)
            and self.effective <= on
            and (self.expires is None or on <= self.expires)
        )

    def expressions(self) -> dict[str, str]:
        """Code expressions the index must know, each its own name."""
        return {e: e for rule in self.rules for e in (rule.diagnoses, rule.unless_diagnoses) if e}


class _Source:
    """The text of a policy, to name lines in messages."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines = text.splitlines()

    def line(self, table: str, number: int, key: str = "") -> int:
        """Line of the n-th table of a name (from 1), or of a key in it."""
        seen = start = 0
        for i, line in enumerate(self.lines, 1):
            if re.match(rf"\s*\[+\s*{re.escape(table)}\s*\]+", line):
                seen += 1
                if seen == number:
                    start = i
            elif start and re.match(r"\s*\[", line):
                break
            elif start and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return i
        return start or 1

    def refuse(self, problem: str, expected: str, table: str, number: int = 1, key: str = "") -> ConfigError:
        where = f"{self.name!r}, line {self.line(table, number, key)}"
        return ConfigError("CS430", f"{where}: {problem}. Expected {expected}. Correct the policy.")


def read_policy(path: str | Path) -> Policy:
    """Read and check one policy.

    Raises
    ------
    ConfigError
        CS430 with the file's name and the line of what is wrong.

    Examples
    --------
    >>> folder = Path(__file__).parent / "tables" / "policies"
    >>> read_policy(folder / "example_positive_airway_pressure.toml").payer
    'example-health'
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError("CS430", f"{path.name!r} is no TOML file: {error}. Expected a policy. Correct the file.") from error
    source = _Source(path.name, text)
    for key in data:
        if key not in ("policy", "rule", "test"):
            raise source.refuse(f"unknown table {key!r}", "[policy], [[rule]] and [[test]]", key)
    head = data.get("policy")
    if not isinstance(head, dict):
        raise source.refuse("there is no [policy]", "one table [policy]", "policy")
    for key in head:
        if key not in _POLICY_FIELDS:
            raise source.refuse(f"unknown key {key!r}", ", ".join(_POLICY_FIELDS), "policy", key=key)
    for key in ("id", "payer", "title", "source"):
        if not isinstance(head.get(key), str) or not head[key]:
            raise source.refuse(f"{key!r} is missing or no text", "a text", "policy", key=key)
    if not isinstance(head.get("plan", "*"), str):
        raise source.refuse(f"'plan' is {head['plan']!r}", "a text", "policy", key="plan")
    for table in ("rule", "test"):
        if not isinstance(data.get(table, []), list) or not all(isinstance(row, dict) for row in data.get(table, [])):
            raise source.refuse(f"[{table}] is one table", f"[[{table}]], as often as needed", table)
    effective, expires = _day(source, head, "effective"), _day(source, head, "expires")
    if effective is None or (expires is not None and expires < effective):
        raise source.refuse("'effective' is missing or after 'expires'", "dates in order", "policy", key="effective")
    rules = tuple(_rule(source, head, number, row) for number, row in enumerate(data.get("rule", ()), 1))
    names = [rule.name for rule in rules]
    for number, name in enumerate(names, 1):
        if name in names[: number - 1]:
            raise source.refuse(f"the rule {name!r} stands twice", "different ids", "rule", number, "id")
    tests = tuple(_test(source, number, row, names) for number, row in enumerate(data.get("test", ()), 1))
    return Policy(
        head["id"], head["payer"], head.get("plan", "*"), head["title"], head["source"], effective, expires, rules, tests
    )


def _day(source: _Source, head: dict[str, Any], key: str) -> dt.date | None:
    value = head.get(key)
    if value is None or (isinstance(value, dt.date) and not isinstance(value, dt.datetime)):
        return value
    raise source.refuse(f"{key!r} is {value!r}", "a date without quotes, such as 2026-01-01", "policy", key=key)


def _rule(source: _Source, head: dict[str, Any], number: int, row: dict[str, Any]) -> PolicyRule:
    for key, value in row.items():
        if key not in _FIELDS:
            raise source.refuse(f"unknown key {key!r}", ", ".join(_FIELDS), "rule", number, key)
        if not isinstance(value, _FIELDS[key]) or (isinstance(value, bool) and key != "allow"):
            raise source.refuse(f"{key!r} is {value!r}", _FIELDS[key][0].__name__, "rule", number, key)
    for key in ("id", "kind", "codes", "message"):
        if not row.get(key):
            raise source.refuse(f"{key!r} is missing", "id, kind, codes and message", "rule", number, key)
    if row["kind"] not in KINDS:
        raise source.refuse(f"unknown kind {row['kind']!r}", ", ".join(KINDS), "rule", number, "kind")
    for key in _NEEDS[row["kind"]]:
        if row.get(key) is None:
            raise source.refuse(f"a rule of kind {row['kind']!r} has no {key!r}", key, "rule", number)
    if row["kind"] == "age" and "min_age" not in row and "max_age" not in row:
        raise source.refuse("a rule of kind 'age' has no bound", "min_age or max_age", "rule", number)
    if row.get("min_age", 0) > row.get("max_age", math.inf):
        raise source.refuse("'min_age' is above 'max_age'", "ages in order", "rule", number, "min_age")
    if row.get("per_days", 1) < 1 or row.get("max_units", 0) < 0:
        key = "per_days" if row.get("per_days", 1) < 1 else "max_units"
        raise source.refuse(f"{key!r} is {row[key]!r}", "1 or more days, 0 or more units", "rule", number, key)
    if unknown := [v for v in row.get("settings", ()) if v not in SETTINGS]:
        raise source.refuse(f"unknown setting {unknown[0]!r}", ", ".join(SETTINGS), "rule", number, "settings")
    if row["kind"] == "modifier" and not row.get("require_any") and not row.get("refuse"):
        raise source.refuse("a rule of kind 'modifier' names none", "require_any or refuse", "rule", number)
    if row.get("severity", "warning") not in SEVERITIES:
        raise source.refuse(f"unknown severity {row['severity']!r}", ", ".join(SEVERITIES), "rule", number, "severity")
    for key in ("codes", "with", "require_any", "refuse"):
        if not all(isinstance(v, str) and re.fullmatch(r"[0-9A-Z]{2,7}", v) for v in row.get(key, ())):
            raise source.refuse(f"{key!r} is {row[key]!r}", "codes or modifiers in capitals", "rule", number, key)
    for key in ("diagnoses", "unless_diagnoses"):
        bad = _bad_expression(row.get(key, ""))
        if bad:
            raise source.refuse(f"{bad!r} in {key!r} is no code", "codes and ranges such as 'I10, E08-E13'", "rule", number, key)
    rule = Rule(
        f"{head['id']}.{row['id']}",
        "policies",
        row.get("severity", "warning"),
        row["message"],
        f"{head['source']} ({head['payer']})",
        row.get("resolution", "Follow the payer's policy, or ask for a review with the record."),
        _day(source, head, "effective"),
        _day(source, head, "expires"),
    )
    return PolicyRule(
        rule,
        row["id"],
        row["kind"],
        frozenset(row["codes"]),
        row["message"],
        row.get("diagnoses", ""),
        row.get("unless_diagnoses", ""),
        row.get("max_units", 0),
        row.get("per_days", 0),
        row.get("min_age"),
        row.get("max_age"),
        tuple(row.get("require_any", ())),
        tuple(row.get("refuse", ())),
        frozenset(row.get("with", ())),
        row.get("allow", False),
        frozenset(row.get("settings", ())),
    )


def _bad_expression(expression: str) -> str:
    code = r"[A-Z][0-9A][0-9A-Z](?:\.[0-9A-Z]{1,4})?"
    for part in expression.split(",") if expression else ():
        match = re.fullmatch(rf"!?{code}(?:-{code})?(?:/(.+))?", part.strip())
        if match is None or not _is_pattern(match[1] or ""):
            return part.strip() or ","
    return ""


def _is_pattern(words: str) -> bool:
    try:
        re.compile(words)
    except re.error:
        return False
    return True


def _test(source: _Source, number: int, row: dict[str, Any], names: list[str]) -> PolicyTest:
    for key in row:
        if key not in ("claim", "on", "fires"):
            raise source.refuse(f"unknown key {key!r}", "claim, on, fires", "test", number, key)
    on, fires = row.get("on"), row.get("fires")
    if not isinstance(row.get("claim"), str) or not isinstance(on, dt.date) or not isinstance(fires, list):
        raise source.refuse("a test is not complete", "claim, on and fires", "test", number)
    unknown = [name for name in fires if name not in names]
    if unknown:
        raise source.refuse(f"the test names the rule {unknown[0]!r}", ", ".join(names) or "a rule", "test", number, "fires")
    try:
        claim_from_text(row["claim"])
    except CodesuggestError as error:
        raise source.refuse(error.message, "a claim in one line", "test", number, "claim") from error
    return PolicyTest(source.line("test", number), row["claim"], on, tuple(sorted(fires)))


def read_policies(folder: str | Path) -> tuple[Policy, ...]:
    """Read every policy of a folder, by file name.

    Raises
    ------
    ConfigError
        CS430 for a file that is wrong, CS431 when there is none or two have one id.

    Examples
    --------
    >>> [p.id for p in read_policies(Path(__file__).parent / "tables" / "policies")]
    ['EX-CERVICAL', 'EX-PAP']
    """
    folder = Path(folder)
    policies = tuple(read_policy(path) for path in sorted(folder.glob("*.toml")))
    ids = [policy.id for policy in policies]
    if not policies or len(set(ids)) != len(ids):
        problem = "holds no policy" if not policies else "holds two policies of one id"
        raise ConfigError("CS431", f"{folder.name!r} {problem}. Expected *.toml files, each with its id. Check the folder.")
    return policies


@dataclass(frozen=True, slots=True)
class BenchResult:
    """How one test of a policy went: what should have fired and what did."""

    policy: str
    line: int
    expected: tuple[str, ...]
    found: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether they agree."""
        return self.expected == self.found


def run_bench(policies: Sequence[Policy], tables: Tables) -> tuple[BenchResult, ...]:
    """Run the tests that stand in policies.

    Parameters
    ----------
    policies : sequence of Policy
    tables : Tables
        Their policies are replaced by those under test.

    Raises
    ------
    ConfigError
        CS432 when an expression names no code of the release.

    Examples
    --------
    >>> from codesuggest.edits import default_tables
    >>> policies = read_policies(Path(__file__).parent / "tables" / "policies")
    >>> all(result.passed for result in run_bench(policies, default_tables(dt.date(2026, 5, 4))))
    True
    """
    from codesuggest.edits.engine import check as check_claim
    from codesuggest.edits.index import places_of

    ours = tables.with_(policies=tuple(policies))
    results = []
    for policy in policies:
        for expression in policy.expressions():
            for part in expression.split(","):
                if not places_of(ours.release, part.strip().lstrip("!")).any():
                    msg = f"{part.strip()!r} of the policy {policy.id!r} names no code of {ours.release.name}. "
                    raise ConfigError("CS432", msg + "Expected a code in force. Correct the policy.")
        for test in policy.tests:
            findings = check_claim(claim_from_text(test.claim), on=test.on, tables=ours)
            prefix = f"{policy.id}."
            found = sorted({f.rule_id.removeprefix(prefix) for f in findings if f.rule_id.startswith(prefix)})
            results.append(BenchResult(policy.id, test.line, test.fires, tuple(found)))
    return tuple(results)


# ------------------------------------------------------------------------------------------------------------------ check
def check(view: View, add: Callable[[Finding], None]) -> None:
    """Run the policies of the claim's payer and plan."""
    claim = view.claim
    for policy in view.tables.policies:
        if policy.payer != claim.payer:
            continue
        for line in view.procedures:
            day = line.date or view.on
            if policy.applies(claim.payer, claim.plan, day):
                for rule in policy.rules:
                    if line.code.upper() in rule.codes and (not rule.settings or claim.setting in rule.settings):
                        _look(view, policy, rule, line, day, add)


def _pointed(view: View, line: Procedure) -> int:
    mask = 0
    for diagnosis, facts in view.diagnoses:
        if not line.pointers or diagnosis.sequence in line.pointers:
            mask |= facts.mask
    return mask


def _look(view: View, policy: Policy, rule: PolicyRule, line: Procedure, day: dt.date, add: Callable[[Finding], None]) -> None:
    bit = view.bits
    code, claim = line.code.upper(), view.claim
    others: tuple[str, ...] = ()
    pointed = _pointed(view, line)
    if rule.unless_diagnoses and pointed & bit[rule.unless_diagnoses]:
        return
    if rule.kind == "coverage":
        fires = not pointed & bit[rule.diagnoses]
    elif rule.kind == "exclusion":
        hits = [
            f.text
            for d, f in view.diagnoses
            if f.mask & bit[rule.diagnoses] and (not line.pointers or d.sequence in line.pointers)
        ]
        others, fires = tuple(hits), bool(hits)
    elif rule.kind == "frequency":
        since = day - dt.timedelta(days=rule.per_days - 1)
        units = sum(
            p.units
            for p in (*claim.procedures, *claim.history)
            if p.code.upper() in rule.codes and since <= (p.date or view.on) <= day
        )
        fires = units > rule.max_units
    elif rule.kind == "age":
        age = claim.age_years
        fires = age is not None and (
            (rule.min_age is not None and age < rule.min_age) or (rule.max_age is not None and age >= rule.max_age + 1)
        )
    elif rule.kind == "authorization":
        fires = code not in claim.authorizations
    elif rule.kind == "modifier":
        names = {m.upper() for m in line.modifiers}
        fires = bool(names.intersection(rule.refuse)) or bool(rule.require_any and not names.intersection(rule.require_any))
    else:
        beside = sorted({p.code.upper() for p in view.procedures if p.code.upper() in rule.with_ and (p.date or view.on) == day})
        others, fires = tuple(beside), bool(beside) and not rule.allow
    if fires:
        message = rule.message.replace("{code}", code).replace("{with}", ", ".join(others))
        add(rule.rule.finding((code, *others), message, release=policy.title))


def allowed_pairs(view: View) -> frozenset[tuple[str, str]]:
    """Pairs of procedures a policy of the claim's payer pays together, both ways round."""
    claim = view.claim
    pairs = set()
    for policy in view.tables.policies:
        if policy.applies(claim.payer, claim.plan, view.on):
            for rule in policy.rules:
                if rule.kind == "bundling" and rule.allow and (not rule.settings or claim.setting in rule.settings):
                    pairs |= {pair for a in rule.codes for b in rule.with_ for pair in ((a, b), (b, a))}
    return frozenset(pairs)
