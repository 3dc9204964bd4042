"""The table of triggers: what makes the library ask, read and checked once."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codesuggest.errors import ConfigError
from codesuggest.queries.conditions import Condition, parse
from codesuggest.queries.derived import RESTS_ON
from codesuggest.queries.phrases import PhraseTable

__all__ = ["KINDS", "Option", "Trigger", "TriggerTable", "default_triggers"]

KINDS = ("missing diagnosis", "clinical validation", "specificity", "conflict", "present on admission")
_TABLES = Path(__file__).parent / "tables"
_FIELDS = frozenset(
    "id kind topic title importance settings needs unless answered shows question options form yields ages source".split()
)
_REQUIRED = ("id", "kind", "topic", "title", "importance", "needs", "source")
_WITHOUT_TABLE = ("blood_culture", "urine_culture", "respiratory_culture")
# Names that answer a question without being the diagnosis it is about.
_NOT_DIAGNOSES = frozenset(
    "anemia_type ckd_stage encephalopathy_cause pleural_effusion_cause behavior_linked prediabetes_words cholangitis_words "
    "other_skin_damage pressure_injury_stage sepsis_with_organ_dysfunction obesity_class".split()
)
_TOO_WIDE = ("F03", "I95", "I10")
_OPTION = re.compile(
    r"(?P<text>.+?)\s*->\s*(?:'(?P<old>[^']+)'\s*=>\s*'(?P<new>[^']+)'|(?P<codes>(?:[A-Z]\d\w[\w.]*(?:\s*,\s*)?)*))"
    r"\s*(?:\bif\s+(?P<when>.+))?$"
)


@dataclass(frozen=True, slots=True)
class Option:
    """An answer that a query may offer.

    Parameters
    ----------
    text : str
        As the physician reads it.
    codes : tuple of str
        Billable codes it leads to, one of which is chosen with the rest of the record.
    when : Condition or None
        What the record must show for the answer to be offered.
    rule : str
        `when` as written.
    words : (str, str), optional
        Words in the title of the documented condition's code, and those in their place in the title of the code it leads to.
    """

    text: str
    codes: tuple[str, ...]
    when: Condition | None = None
    rule: str = ""
    words: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """One row of the table; the head of ``tables/triggers.toml`` says what each field means.

    `names` are the diagnoses it asks for (those that answer it), `answer_codes` the beginnings of codes whose mention answers
    it, `evidence` what each need looks at.
    """

    id: str
    kind: str
    topic: str
    title: str
    importance: int
    settings: tuple[str, ...]
    needs: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    answered: tuple[str, ...]
    shows: tuple[str, ...]
    question: str
    options: tuple[Option, ...]
    is_yes_no: bool
    is_open: bool
    yields: tuple[str, ...]
    is_for_adults: bool
    source: str
    needs_written: tuple[str, ...]
    unless_written: tuple[str, ...]
    names: tuple[str, ...]
    answer_codes: tuple[str, ...]
    evidence: tuple[frozenset[str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the trigger."""
        return {
            "id": self.id,
            "kind": self.kind,
            "topic": self.topic,
            "importance": self.importance,
            "settings": list(self.settings),
            "needs": list(self.needs_written),
            "unless": list(self.unless_written),
            "answered": list(self.answered),
            "yields": list(self.yields),
            "question": self.question,
            "options": [{"text": o.text, "codes": list(o.codes), "words": list(o.words or ()), "when": o.rule} for o in self.options],
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class TriggerTable:
    """Every trigger, and the phrases they look for.

    Parameters
    ----------
    triggers : tuple of Trigger
        By falling importance, then by id.
    phrases : PhraseTable
    diagnoses : frozenset of str
        Names of the table of words that are a diagnosis a query can ask for.
    findings : frozenset of str
        Names of the table of words that are signs, results and treatments.
    acute : frozenset of str
        Names whose place among past conditions says nothing of this encounter.
    practice : str
        The practice brief that the wording follows.
    released : str
        Date of the table.
    """

    triggers: tuple[Trigger, ...]
    phrases: PhraseTable
    diagnoses: frozenset[str]
    findings: frozenset[str]
    acute: frozenset[str]
    practice: str
    released: str

    @classmethod
    def read(cls, folder: Path, indicators: Iterable[str]) -> TriggerTable:
        """Read ``triggers.toml`` and ``words.toml`` of a folder.

        Parameters
        ----------
        folder : Path
        indicators : iterable of str
            Names of the table of indicators.

        Raises
        ------
        ConfigError
            CS450 when a row lacks a field or has an unknown one, CS451 when a condition is not understood, CS452 for a phrase.
        """
        words = tomllib.loads((folder / "words.toml").read_text(encoding="utf-8"))
        acute = frozenset(_names(words.pop("acute")))
        phrases = PhraseTable({name: line for group in words.values() for name, line in group.items()})
        names = phrases.names | frozenset(indicators)
        table = tomllib.loads((folder / "triggers.toml").read_text(encoding="utf-8"))
        rows = [_trigger(row, names, phrases.names) for row in table["trigger"]]
        ids = [row.id for row in rows]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ConfigError("CS450", f"triggers.toml has two triggers named {twice[0]}. Expected one. Rename one.")
        rows.sort(key=lambda t: (-t.importance, t.id))
        return cls(tuple(rows), phrases, _asked_for(rows), frozenset(words["findings"]), acute, table["practice"], table["released"])

    def trigger(self, rule_id: str) -> Trigger:
        """Return the trigger of an id.

        Raises
        ------
        ConfigError
            CS453 when there is none.
        """
        for trigger in self.triggers:
            if trigger.id == rule_id:
                return trigger
        raise ConfigError("CS453", f"No trigger is named {rule_id!r}. Expected one that `codesuggest queries --list` prints.")


@functools.cache
def default_triggers() -> TriggerTable:
    """Return the table that ships with the library.

    Examples
    --------
    >>> default_triggers().trigger("IND-SODIUM-LOW").title
    'Serum sodium'
    """
    return TriggerTable.read(_TABLES, _indicator_names(_TABLES))


def _indicator_names(folder: Path) -> frozenset[str]:
    """Return the names of every table of indicators of a folder: those whose first column is called ``name``."""
    names: set[str] = set(_WITHOUT_TABLE)
    for file in sorted(folder.glob("*.tsv")):
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        if lines[0].split("\t")[0] == "name":
            names.update(line.split("\t")[0] for line in lines[1:])
    return frozenset(names)


def _trigger(row: Mapping[str, Any], names: frozenset[str], words: frozenset[str]) -> Trigger:
    where = str(row.get("id", "a trigger without id"))
    missing = [f for f in _REQUIRED if not row.get(f)]
    unknown = sorted(set(row) - _FIELDS)
    if missing or unknown or row["kind"] not in KINDS or not 0 <= row["importance"] <= 100:
        raise ConfigError(
            "CS450",
            f"{where}: missing {missing}, unknown {unknown}, kind {row.get('kind')!r}, importance {row.get('importance')!r}. "
            f"Expected a kind of {', '.join(KINDS)} and an importance of 0 to 100. Mend the row of triggers.toml.",
        )
    looked_at = []
    for line in row["needs"]:
        written = set(re.findall(r"[a-z]\w+", line))
        looked_at.append(frozenset((written & names) | {base for n in written for base in RESTS_ON.get(n, ())}))
    answered = _names(row.get("answered", ""))
    shows = _names(row.get("shows", ""))
    for name, known in [*((n, words) for n in answered), *((n, names) for n in shows)]:
        if name not in known:
            raise ConfigError("CS451", f"{where}: {name!r} is in no table. Expected a name of words.toml or of the indicators.")
    options = tuple(_option(line, names, where) for line in row.get("options", "").splitlines() if line.strip())
    return Trigger(
        id=row["id"],
        kind=row["kind"],
        topic=row["topic"],
        title=row["title"],
        importance=row["importance"],
        settings=tuple(row.get("settings", ("inpatient",))),
        needs=tuple(parse(line, names, where=where) for line in row["needs"]),
        unless=tuple(parse(line, names, where=where) for line in row.get("unless", ())),
        answered=answered,
        shows=shows,
        question=row.get("question", ""),
        options=options,
        is_yes_no=row.get("form", "") == "yes/no",
        is_open=row.get("form", "") == "open",
        yields=_names(row.get("yields", "")),
        is_for_adults=row.get("ages", "adults") == "adults",
        source=row["source"],
        needs_written=tuple(row["needs"]),
        unless_written=tuple(row.get("unless", ())),
        names=answered,
        answer_codes=_answer_codes(options) if row["kind"] == "missing diagnosis" else (),
        evidence=tuple(looked_at),
    )


def _asked_for(triggers: Iterable[Trigger]) -> frozenset[str]:
    """Return the diagnoses that indicators alone make a trigger ask for."""
    return frozenset(n for t in triggers if t.kind == "missing diagnosis" for n in t.answered) - _NOT_DIAGNOSES


def _answer_codes(options: Iterable[Option]) -> tuple[str, ...]:
    """Return the beginnings of the codes that only the diagnosis asked for has: no symptom, status, external cause or what it is not."""
    found = (o.codes[0] for o in options if len(o.codes) == 1 and not re.search(r"\b(?:without|not|no)\b", o.text))
    return tuple(dict.fromkeys(c[:-1] if len(c) > 6 else c for c in found if c[0] not in "RTZVWXY" and not c.startswith(_TOO_WIDE)))


def _names(line: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in line.split(";") if name.strip())


def _option(line: str, names: frozenset[str], where: str) -> Option:
    m = _OPTION.match(line.strip())
    if m is None:
        raise ConfigError("CS451", f"{where}: {line!r} is not an option. Expected 'answer -> codes if condition'.")
    codes = tuple(c.strip() for c in (m.group("codes") or "").split(",") if c.strip())
    rule = m.group("when") or ""
    words = (m.group("old"), m.group("new")) if m.group("old") else None
    return Option(m.group("text"), codes, parse(rule, names, where=where) if rule else None, rule, words)
