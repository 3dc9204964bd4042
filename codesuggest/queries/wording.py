"""The words of a query, from templates that an organisation can replace.

The environment is sandboxed: a template can format what it is given and nothing else.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codesuggest.errors import ConfigError

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

__all__ = ["OTHER", "UNDETERMINED", "QuotedIndicator", "Wording", "source_name"]

OTHER = "Other (please specify): ________"
UNDETERMINED = "Unable to determine"
_SHIPPED = Path(__file__).parent / "templates"
_SECTIONS = {
    "hpi": "history of present illness",
    "pmh": "past medical history",
    "psh": "surgical history",
    "ros": "review of systems",
    "labs": "laboratory",
    "vitals": "vital signs",
    "exam": "examination",
    "assessment_plan": "assessment and plan",
    "other": "",
}


@dataclass(frozen=True, slots=True)
class QuotedIndicator:
    """A line of a query: what is quoted, what it is when the words do not say so, and where and when it stands."""

    words: str
    source: str
    label: str = ""


def source_name(section: str, kind: str, when: str) -> str:
    """Say where in the record something stands.

    Examples
    --------
    >>> source_name("labs", "discharge summary", "2026-04-10T06:30"), source_name("other", "progress note", "")
    ('laboratory, 2026-04-10 06:30', 'progress note')
    """
    place = _SECTIONS.get(section, section.replace("_", " ")) or kind or "note"
    return f"{place}, {when.replace('T', ' ')}" if when else place


class Wording:
    """Renders queries.

    Parameters
    ----------
    templates : path, optional
        Folder whose files go before those of the library: ``query.txt.j2``, ``question.txt.j2``, and for one kind or rule
        alone ``query-conflict.txt.j2`` or ``query-IND-SEPSIS.txt.j2``.

    Raises
    ------
    ConfigError
        CS454 when the folder is missing, CS455 when a template cannot be rendered.
    """

    def __init__(self, templates: Path | str | None = None) -> None:
        folder = Path(templates) if templates is not None else None
        if folder is not None and not folder.is_dir():
            raise ConfigError("CS454", f"{str(folder)!r} is not a folder. Expected a folder of templates (*.txt.j2). Make one.")
        self._folders = (*([folder] if folder is not None else []), _SHIPPED)

    @functools.cached_property
    def _environment(self) -> SandboxedEnvironment:
        from jinja2 import FileSystemLoader, StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        return SandboxedEnvironment(
            loader=FileSystemLoader([str(f) for f in self._folders], encoding="utf-8"),
            autoescape=False,  # plain text, never HTML
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def question(self, *, kind: str, question: str) -> str:
        """Return the question of a trigger, or that of its kind."""
        return " ".join(self._render(["question.txt.j2"], kind=kind, question=question).split())

    def text(
        self,
        *,
        rule_id: str,
        kind: str,
        title: str,
        record: str,
        recipients: Sequence[str],
        indicators: Sequence[QuotedIndicator],
        question: str,
        options: Sequence[str],
    ) -> str:
        """Return the text of a query, as the physician reads it."""
        names = [f"query-{rule_id}.txt.j2", f"query-{kind.replace(' ', '-')}.txt.j2", "query.txt.j2"]
        text = self._render(
            names,
            rule_id=rule_id,
            kind=kind,
            title=title,
            record=record,
            recipients=list(recipients),
            indicators=list(indicators),
            question=question,
            options=list(options),
        )
        return re.sub(r"\n{3,}", "\n\n", text.strip()) + "\n"

    def _render(self, names: list[str], **values: object) -> str:
        from jinja2 import TemplateError

        try:
            return self._environment.select_template(names).render(**values)
        except TemplateError as error:
            raise ConfigError(
                "CS455",
                f"A template among {', '.join(names)} cannot be rendered: {type(error).__name__}. "
                "Expected Jinja2 that uses only the values the shipped templates use. Mend it, or take the shipped one.",
            ) from error
