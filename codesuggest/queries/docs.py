"""The page of the documentation about queries, made from the tables."""

from __future__ import annotations

import tomllib
from pathlib import Path

from codesuggest.queries.engine import LIMIT
from codesuggest.queries.linter import LINT_RULES
from codesuggest.queries.triggers import KINDS, Trigger, default_triggers

__all__ = ["page"]

_HEAD = """# Physician queries

`codesuggest queries NOTE…` finds unclear documentation and writes the query; `cs.find_queries(note)` is its twin, and takes several
notes of one encounter. `suggester.suggest(note, queries=True)` puts them into the result.

- One query a topic and encounter, the most important first, at most {inpatient} for a stay and {outpatient} elsewhere (`--limit`).
- Nothing is asked that a physician has answered, whether as present, uncertain or excluded, anywhere in the record. A finding of a
  report, a dietitian or a nurse is not a physician's answer.
- Answers are offered when the record supports them; with fewer than two the question is open. The codes that each leads to are in
  `codes_by_option` and shown with `--codes`; they are not in the text for the physician.
- The wording follows the AHIMA/ACDIS practice brief (2022): indicators quoted with section and date, no leading title, "other" and
  "unable to determine", no word of payment or quality.
- In an office only what bears on the problems of the visit is asked; the limits of the table are those of adults (16 years).

A folder of Jinja2 templates of your own goes before the shipped ones: `--templates FOLDER` with `query.txt.j2`, `question.txt.j2`, or
`query-conflict.txt.j2` and `query-IND-SEPSIS.txt.j2` for one kind or trigger. They run sandboxed.

`codesuggest queries lint QUERY [--note NOTE]` (`cs.lint_query(text)`) checks any query, yours or ours. `codesuggest queries list`
prints the triggers.

## The life of a query

`codesuggest.query_log.QueryLog` keeps it in the decision log: pending, sent, then answered, agreed or disagreed, or withdrawn or
expired. `reopened()` names the encounters that an answer opens again, and their codes; `responses()` gives response time and
agreement by physician and topic. The text of a query is kept as it was sent, so the log holds words of the note.

## What the linter looks for

| Rule | Severity | What it finds | Source |
|---|---|---|---|
"""
_TITLES = {
    "missing diagnosis": "Indicators without a diagnosis",
    "clinical validation": "A diagnosis without indicators",
    "specificity": "Under-specified",
    "conflict": "Conflicting",
    "present on admission": "Present on admission not clear",
}
_TRIGGERS = """
## Triggers

The table is `codesuggest/queries/tables/triggers.toml`, of {released}; the names in it stand in `words.toml` and the tables of
indicators. Every line under *needs* must be met; `|` is "or".
"""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _row(trigger: Trigger) -> str:
    needs = "; ".join(f"`{line}`" for line in trigger.needs_written)
    answers = "; ".join(o.text + (f" ({', '.join(o.codes)})" if o.codes else "") for o in trigger.options) or "open question"
    if trigger.is_open and trigger.options:
        answers = f"open question; for the coder: {answers}"
    cells = (trigger.id, trigger.topic, str(trigger.importance), needs, answers, trigger.source)
    return "| " + " | ".join(_cell(c) for c in cells) + " |\n"


def page() -> str:
    """Write the page.

    Examples
    --------
    >>> page().splitlines()[0]
    '# Physician queries'
    """
    table = default_triggers()
    rules = tomllib.loads((Path(__file__).parent / "tables" / "lint.toml").read_text(encoding="utf-8"))["rule"]
    rows = [
        *((r["id"], r["severity"], r["message"], r["citation"]) for r in rules),
        *((name, *rule) for name, rule in LINT_RULES.items()),
    ]
    parts = [_HEAD.format(**LIMIT), *("| " + " | ".join(_cell(c) for c in row) + " |\n" for row in rows)]
    parts.append(_TRIGGERS.format(released=table.released))
    for kind in KINDS:
        parts.append(f"\n### {_TITLES[kind]}\n\n| Trigger | Topic | Importance | Needs | Answers (codes) | Source |\n|---|---|---|---|---|---|\n")
        parts.extend(_row(t) for t in table.triggers if t.kind == kind)
    return "".join(parts)
