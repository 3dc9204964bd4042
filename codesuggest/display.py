"""A result for people: the marked note beside the ranked table in a notebook, and a table in a terminal.

Decision (2026-11): displaCy's entity style draws the marked note. Its span style shows overlaps, but only of tokens joined by
blanks, so the note would not be shown as it was written. Places that overlap are joined into one mark that names every code.
The renderer class is called, not ``displacy.render``, which keeps the last page (note text) in a module global.
What would change our mind: a span style that keeps the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from codesuggest.records import Evidence, Result, Span, Suggestion, Suppressed

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["Mark", "find_marks", "marked_note_html", "result_html", "rich_table"]

_N_BELOW = 5
_N_LEFT_OUT = 8
_COLOURS = {"supports": "#bfe3c6", "below": "#f6e7a8", "contradicts": "#f2c4c0"}
_LEGEND = {
    "supports": "supports a code put forward",
    "below": "supports a code below the threshold",
    "contradicts": "negated, about someone else, or otherwise not coded",
}
_JOINERS = "\u200c\u200d"  # inside words of Persian and Indic scripts, and inside emoji
# displaCy's own entity mark without its line breaks, which would show where the note's white space is kept.
_MARK = (
    '<mark class="entity" title="{title}" style="background:{bg};color:#111;padding:0.15em 0.25em;border-radius:0.3em;line-height:1">{text}'
    '<span style="font-size:0.75em;font-weight:bold;margin-left:0.4em;user-select:none">{label}</span></mark>'
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A highlighted place of the note.

    Parameters
    ----------
    span : Span
    role : {"supports", "below", "contradicts"}
    codes : tuple of str
        In order of rank; none repeated.
    """

    span: Span
    role: str
    codes: tuple[str, ...]


def shown_suggestions(result: Result, *, show_all: bool = False) -> tuple[Suggestion, ...]:
    """Return the codes put forward and the next few, or all."""
    if show_all:
        return result.suggestions
    below = [s for s in result.suggestions if not s.selected][:_N_BELOW]
    return tuple(s for s in result.suggestions if s.selected or s in below)


def find_marks(result: Result, *, show_all: bool = False) -> list[Mark]:
    """Decide which places of the note to highlight, so that none overlaps another.

    Support of the codes put forward comes first, then support of the next few, then what speaks against a code. Places of one
    role that overlap are joined; a later role has no mark where an earlier one stands.

    Examples
    --------
    >>> from codesuggest import Evidence, Result, Span, Suggestion
    >>> words = (Evidence(Span(0, 4), "Type"), Evidence(Span(2, 10), "pe 2 dia"))
    >>> found = Suggestion(1, "E11.9", "ICD-10-CM", "Type 2 diabetes", 0.9, True, True, words)
    >>> find_marks(Result("n1", "Type 2 diabetes", "", (found,)))
    [Mark(span=Span(start=0, end=10), role='supports', codes=('E11.9',))]
    """
    shown = shown_suggestions(result, show_all=show_all)
    places = {
        "supports": [(e.span, s.code) for s in shown if s.selected for e in s.evidence],
        "below": [(e.span, s.code) for s in shown if not s.selected for e in s.evidence],
        "contradicts": [(e.span, s.code) for s in result.suppressed for e in s.evidence if e.role == "contradicts"],
    }
    marks: list[Mark] = []
    for role, found in places.items():
        free = [m for m in _joined(found, role) if not any(m.span.overlaps(other.span) for other in marks)]
        marks.extend(free)
    return sorted(marks, key=lambda m: m.span)


def _joined(places: Sequence[tuple[Span, str]], role: str) -> list[Mark]:
    order = {code: i for i, code in reversed(list(enumerate(code for _, code in places)))}
    groups: list[tuple[int, int, set[str]]] = []
    for span, code in sorted(places):
        if groups and span.start < groups[-1][1]:
            start, end, codes = groups[-1]
            groups[-1] = (start, max(end, span.end), codes | {code})
        else:
            groups.append((span.start, span.end, {code}))
    return [Mark(Span(a, b), role, tuple(sorted(codes, key=lambda c: order[c]))) for a, b, codes in groups]


# ---------------------------------------------------------------------------------------------------------------------
# HTML


def marked_note_html(text: str, marks: Sequence[Mark]) -> str:
    """Return the note as HTML with its marks; without tags and mark labels it is the escaped text.

    Parameters
    ----------
    text : str
    marks : sequence of Mark
        None overlaps another.
    """
    from spacy.displacy.render import EntityRenderer

    ents = []
    for i, mark in enumerate(sorted(marks, key=lambda m: m.span)):
        codes = ", ".join(mark.codes[:3]) + (" …" if len(mark.codes) > 3 else "")
        title = f"{_LEGEND[mark.role]}: {', '.join(mark.codes)}"
        params = {"label": escape(codes), "bg": _COLOURS[mark.role], "title": escape(title)}
        ents.append({"start": mark.span.start, "end": mark.span.end, "label": str(i), "params": params})
    renderer = EntityRenderer({"template": _MARK})
    html = renderer.render_ents(text, ents, None).strip()
    # A carriage return would become a line break of its own; as a reference it shows as a blank.
    html = html.replace("\r", "&#13;")
    return html.replace("line-height: 2.5", "line-height: 1.9; white-space: pre-wrap; overflow-wrap: anywhere", 1)


def result_html(result: Result, *, show_all: bool = False) -> str:
    """Return a result as HTML: the note with its evidence marked beside the ranked table, and what was left out below.

    Everything of the note is escaped. There are no scripts and nothing is fetched.

    Parameters
    ----------
    result : Result
    show_all : bool, default False
        Show every code below the threshold, not just the next few.
    """
    shown = shown_suggestions(result, show_all=show_all)
    marks = find_marks(result, show_all=show_all)
    rows = "".join(_row_html(s) for s in shown)
    if not rows:
        rows = '<tr><td colspan="6">No term that leads to a code was found.</td></tr>'
    head = "".join(f'<th style="text-align:left">{h}</th>' for h in ("", "", "Code", "Description", "Prob.", "Evidence"))
    roles = [role for role in _COLOURS if any(m.role == role for m in marks)]
    legend = " ".join(
        f'<span style="background:{_COLOURS[r]};color:#111;padding:0.1em 0.4em;border-radius:0.3em;margin-right:0.6em">{_LEGEND[r]}</span>'
        for r in roles
    )
    left_out = "".join(
        f"<li>{escape(s.code)} {escape(s.description)}: {escape(_why_not(s, result.text))}</li>" for s in result.suppressed
    )
    if left_out:
        left_out = f"<details><summary>Left out ({len(result.suppressed)})</summary><ul>{left_out}</ul></details>"
    findings = "".join(f"<li>{escape(f.severity)}: {escape(f.message)}</li>" for f in result.findings)
    if findings:
        findings = f"<p>Findings</p><ul>{findings}</ul>"
    skipped = f"<p>Could not run: {escape('; '.join(result.skipped))}</p>" if result.skipped else ""
    more = len(result.suggestions) - len(shown)
    more_html = f"<p>{more} more below the threshold.</p>" if more else ""
    return (
        '<div class="codesuggest" style="display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start">'
        f'<div style="flex:1 1 26em;max-height:46em;overflow:auto">{marked_note_html(result.text, marks)}</div>'
        '<div style="flex:1 1 26em">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"{more_html}{findings}{skipped}{left_out}"
        f'<p style="font-size:0.85em">{legend}</p><p style="font-size:0.85em">{escape(_versions(result))}</p></div></div>'
    )


def _row_html(s: Suggestion) -> str:
    evidence = "; ".join(f"“{escape(_words(e, 80))}” ({escape(_section(e.section))})" for e in s.evidence[:3])
    more = f" and {len(s.evidence) - 3} more" if len(s.evidence) > 3 else ""
    hint = f"<br><small>{escape(s.note)}</small>" if s.note else ""
    style = "" if s.selected else ' style="color:#777"'
    cell = '<td style="text-align:left;vertical-align:top">'
    mark = '<span title="put forward">●</span>' if s.selected else ""
    cells = (str(s.rank), mark, f"<b>{escape(s.code)}</b>", escape(s.description) + hint, f"{s.probability:.2f}", evidence + more)
    return f"<tr{style}>" + "".join(f"{cell}{c}</td>" for c in cells) + "</tr>"


# ---------------------------------------------------------------------------------------------------------------------
# terminal


def rich_table(result: Result, *, title: str = "", show_all: bool = False) -> RenderableType:
    """Return a result for a terminal: the ranked codes with their evidence, then what was left out and why.

    Parameters
    ----------
    result : Result
    title : str, optional
        Line above the table; the note's id without it.
    show_all : bool, default False
        Show every code below the threshold and everything left out.

    Examples
    --------
    >>> from rich.console import Console
    >>> from codesuggest import Note, load
    >>> result = load().suggest(Note("n1", "Assessment: essential hypertension."))
    >>> Console(width=100).print(rich_table(result))  # doctest: +SKIP
    """
    from rich.console import Group
    from rich.text import Text

    shown = shown_suggestions(result, show_all=show_all)
    n_selected = len(result.selected)
    counted = f"{n_selected} code{'' if n_selected == 1 else 's'} put forward"
    parts: list[RenderableType] = [Text.assemble((printable(title or result.note_id), "bold"), (f"  {counted}", "dim"))]
    if shown:
        parts.append(_table(shown))
    else:
        parts.append(Text("No term that leads to a code was found in this note.", style="yellow"))
    more = len(result.suggestions) - len(shown)
    if more:
        parts.append(Text(f"{more} more below the threshold (--all shows them)", style="dim"))
    parts += [Text(f"{f.severity}: {f.message} {f.citation}".strip(), style="red") for f in result.findings]
    parts += [Text(f"could not run: {part}", style="yellow") for part in result.skipped]
    parts += _left_out(result, show_all=show_all)
    parts.append(Text(_versions(result), style="dim"))
    return Group(*parts)


def _table(shown: Iterable[Suggestion]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="bold", show_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Code", no_wrap=True)
    table.add_column("Description", ratio=5, min_width=16)
    table.add_column("Prob.", justify="right", no_wrap=True)
    table.add_column("Evidence", ratio=5, min_width=16)
    table.add_column("Section", ratio=2, min_width=9)
    for s in shown:
        excerpts = list({words.casefold(): words for words in (_words(e, 60) for e in reversed(s.evidence))}.values())[::-1]
        more = f" +{len(excerpts) - 2}" if len(excerpts) > 2 else ""
        sections = list(dict.fromkeys(_section(e.section) for e in s.evidence))[:2]
        description = Text(s.description)
        if s.note:
            description.append(f"\n{s.note}", style="italic dim")
        table.add_row(
            str(s.rank),
            Text("●", style="green") if s.selected else "",
            Text(s.code, style="bold cyan" if s.selected else ""),
            description,
            f"{s.probability:.2f}",
            Text(", ".join(f"“{words}”" for words in excerpts[:2]) + more),
            Text(", ".join(sections)),
            style="" if s.selected else "dim",
        )
    return table


def _left_out(result: Result, *, show_all: bool) -> list[RenderableType]:
    """Lines of what was seen and left out; what the note itself denies comes first."""
    from rich.text import Text

    order = {"absent": 0, "someone_else": 1, "release": 2, "conditional": 3, "hypothetical": 4}
    found = sorted(result.suppressed, key=lambda s: (order.get(s.reason, 5), s.code))
    lines: list[RenderableType] = []
    for s in found if show_all else found[:_N_LEFT_OUT]:
        words = f" “{_words(s.evidence[0], 40)}”" if s.evidence else ""
        lines.append(Text.assemble(("  not ", "dim"), s.code, words, (f": {_why_not(s, result.text)}", "dim")))
    if len(found) > len(lines):
        lines.append(Text(f"  and {len(found) - len(lines)} more left out (--all shows them)", style="dim"))
    return [Text("Left out", style="bold"), *lines] if lines else []


# ---------------------------------------------------------------------------------------------------------------------
# words


def printable(text: str) -> str:
    r"""Return text that is safe to print: white space as one blank, control and format characters as a replacement mark.

    Examples
    --------
    >>> printable("a\r\n  b \x1b[2J")
    'a b �[2J'
    """
    kept = (c if c.isprintable() or c.isspace() or c in _JOINERS else "\ufffd" for c in text)
    return " ".join("".join(kept).split())


def _words(e: Evidence, size: int) -> str:
    text = printable(e.excerpt)
    return text if len(text) <= size else text[: size - 1].rstrip() + "…"


def _section(name: str) -> str:
    return name.replace("_", " ")


def _why_not(s: Suppressed, text: str) -> str:
    detail = s.detail or s.reason.replace("_", " ")
    if s.cue is None:
        return detail
    return f"{detail} (“{printable(text[s.cue.start : s.cue.end])}”)"


def _versions(result: Result) -> str:
    parts = []
    for name, value in result.versions.items():
        shown = value[:12] if name == "model" else value
        parts.append(f"{'ICD-10-CM' if name == 'icd10cm' else name} {shown}")
    return " · ".join(parts)
