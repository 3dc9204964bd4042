"""HTML, XHTML and the narrative blocks of C-CDA as plain text: block elements on lines of their own, tables as rows, lists as items.

The text made here is the text of the note: every offset that the library gives points into it. The same markup always makes the
same text. What a reader would not see (scripts, hidden and struck-out parts) is left out, and what was struck out is counted.

Decision (2026-11): lxml reads HTML. The parser of the standard library takes quadratic time and more on hostile input (30 s for
60 kB of ``<a ``); libxml2 is linear on all that was tried. C-CDA goes through defusedxml, and both write through `Narrative`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codesuggest.errors import InvalidNoteError, PrerequisiteError

__all__ = ["MAX_DEPTH", "Narrative", "html_text"]

MAX_DEPTH = 5_000
"""Elements inside one another at which HTML is refused; pages of careless editors leave some hundreds open."""
_MAX_TABLES = 20  # tables inside one another whose cells are kept apart; deeper ones are read as lines
_LONG_CELL = 200  # a cell of several lines that is longer is a part of the page, not a value

_SPACES = re.compile(r"[^\S\n]+")
_BLANKS = re.compile(r"\s+")
_INVISIBLE = re.compile("[\u00ad\u200b\u200c\u200d\u2060\ufeff\x00]")


@dataclass(slots=True)
class _Flow:
    """Lines being written: the page itself, or one cell of a table."""

    parts: list[str] = field(default_factory=list)
    prefix: str = ""  # of the item of a list that has no text yet
    indent: str = ""
    breaks: int = 0
    has_space: bool = False
    is_line_empty: bool = True

    def write(self, text: str) -> None:
        """Write text as it is on the current line."""
        if self.breaks:
            if self.parts:
                self.parts.append("\n" * min(self.breaks, 2))
            self.breaks = 0
            self.is_line_empty = True
        if self.is_line_empty:
            self.parts.append(self.prefix or self.indent)
            self.prefix = ""
        elif self.has_space:
            self.parts.append(" ")
        self.has_space = False
        self.is_line_empty = False
        self.parts.append(text)

    def end_line(self, n: int = 1) -> None:
        if not self.is_line_empty or self.breaks:
            self.breaks = max(self.breaks, n)
        self.has_space = False

    def text(self) -> str:
        return "".join(self.parts)


@dataclass(slots=True)
class _Table:
    flow: _Flow  # where the table stands
    row: list[str] | None = None
    cell: _Flow | None = None


class Narrative:
    r"""Text made of the elements of a page, in the order in which they come.

    Attributes
    ----------
    n_struck : int
        Passages left out because they were struck out or marked as deleted.

    Examples
    --------
    >>> page = Narrative()
    >>> for tag, text in (("p", "Seen  today."), ("li", "asthma"), ("li", "gout")):
    ...     page.start(tag); page.data(text); page.end(tag)
    >>> page.text()
    'Seen today.\n- asthma\n- gout'
    """

    def __init__(self) -> None:
        self.n_struck = 0
        self._flow = _Flow()
        self._tables: list[_Table] = []
        self._lists: list[int | None] = []  # None for bullets, else the number of the next item
        self._open: list[tuple[str, bool]] = []  # open elements, and whether each keeps its blanks
        self._hidden = 0  # open elements inside one that is not shown
        self._data: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str] | None = None) -> None:
        """Begin an element of HTML; a narrative of C-CDA is given by the HTML names of its elements."""
        self._write_data()
        given = attributes or {}
        if self._hidden or self._is_left_out(tag, given):
            self._hidden += 0 if tag in _VOID else 1
            return
        if tag in _VOID:
            self._void(tag, given)
            return
        if len(self._open) >= MAX_DEPTH:
            raise InvalidNoteError(
                "CS173", f"The markup has more than {MAX_DEPTH:,} elements inside one another. Expected a page. Is it damaged?"
            )
        keeps = tag in ("pre", "textarea") or "white-space:pre" in given.get("style", "").replace(" ", "").lower()
        self._open.append((tag, keeps or (bool(self._open) and self._open[-1][1])))
        self._begin(tag, given)

    def end(self, tag: str) -> None:
        """End an element."""
        self._write_data()
        if tag in _VOID:
            return
        if self._hidden:
            self._hidden -= 1
            return
        if self._open:
            self._open.pop()
        self._finish(tag)

    def data(self, text: str) -> None:
        """Add text inside the current element."""
        if not self._hidden:
            self._data.append(text)

    def text(self) -> str:
        """Return the text made so far."""
        self._write_data()
        while self._tables:
            self._end_table()
        return self._flow.text()

    def _is_left_out(self, tag: str, given: Mapping[str, str]) -> bool:
        style = given.get("style", "").replace(" ", "").lower()
        if tag in ("del", "s", "strike") or "line-through" in style:
            self.n_struck += 1
            return True
        return tag in _NOT_SHOWN or "hidden" in given or "display:none" in style or "visibility:hidden" in style

    def _void(self, tag: str, given: Mapping[str, str]) -> None:
        flow = self._flow
        if tag == "br":
            flow.breaks = min(flow.breaks + 1, 2) if not flow.is_line_empty or flow.breaks else 0
            flow.has_space = False
        elif tag == "hr":
            flow.end_line(2)
        elif tag == "input" and given.get("type", "").lower() in ("checkbox", "radio"):
            flow.write("[x] " if "checked" in given else "[ ] ")
        elif tag == "input" and given.get("type", "text").lower() in ("text", "date", "number"):
            self.data(" " + given.get("value", "") + " ")

    def _begin(self, tag: str, given: Mapping[str, str]) -> None:
        if tag in ("ul", "ol", "menu"):
            self._flow.end_line()
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._flow.end_line()
            number = self._lists[-1] if self._lists else None
            if number is not None:
                self._lists[-1] = number + 1
            depth = min(len(self._lists), 8)
            self._flow.indent = "  " * depth
            self._flow.prefix = "  " * max(0, depth - 1) + (f"{number}. " if number is not None else "- ")
        elif tag == "table" and len(self._tables) < _MAX_TABLES:
            self._flow.end_line()
            self._tables.append(_Table(self._flow))
        elif tag == "tr" and self._tables:
            self._end_row()
            self._tables[-1].row = []
        elif tag in ("td", "th") and self._tables:
            self._end_cell()
            table = self._tables[-1]
            if table.row is None:
                table.row = []
            table.cell = self._flow = _Flow()
        elif tag in _BLOCKS:
            self._flow.end_line(2 if tag in _HEADINGS else 1)
        elif tag == "option" and "selected" not in given:
            self._open.pop()
            self._hidden = 1

    def _finish(self, tag: str) -> None:
        if tag in ("ul", "ol", "menu"):
            if self._lists:
                self._lists.pop()
            self._flow.end_line()
            self._flow.indent = "  " * min(len(self._lists), 8)
            self._flow.prefix = ""
        elif tag == "li":
            self._flow.end_line()
            self._flow.indent = "  " * max(0, min(len(self._lists), 8) - 1)
            self._flow.prefix = ""
        elif tag == "table" and self._tables:
            self._end_table()
        elif tag == "tr" and self._tables:
            self._end_row()
        elif tag in ("td", "th") and self._tables:
            self._end_cell()
        elif tag in _BLOCKS:
            self._flow.end_line()

    def _end_cell(self) -> None:
        table = self._tables[-1]
        if table.cell is not None and table.row is not None:
            table.row.append(table.cell.text())
            table.cell = None
            self._flow = table.flow

    def _end_row(self) -> None:
        self._end_cell()
        table = self._tables[-1]
        row, table.row = table.row, None
        filled = [cell for cell in row or () if cell]
        if not row or not filled:
            return
        if len(filled) == 1 or any("\n" in cell and len(cell) > _LONG_CELL for cell in filled):
            lines = [line for cell in filled for line in cell.split("\n")]
        else:
            while not row[-1]:
                row.pop()
            lines = [" | ".join("; ".join(filter(None, (part.strip() for part in cell.split("\n")))) for cell in row)]
        for line in lines:
            table.flow.end_line(1 if line else 2)
            if line:
                table.flow.write(line)
        table.flow.end_line()

    def _end_table(self) -> None:
        self._end_row()
        table = self._tables.pop()
        self._flow = table.flow
        self._flow.end_line()

    def _write_data(self) -> None:
        if not self._data:
            return
        text = _INVISIBLE.sub("", "".join(self._data).replace("\r\n", "\n").replace("\r", "\n"))
        self._data.clear()
        flow = self._flow
        if self._open and self._open[-1][1]:
            self._write_lines(text.expandtabs().split("\n"))
            return
        if _BLANKS.fullmatch(text):
            flow.has_space = not flow.is_line_empty and not flow.breaks
            return
        lines = text.strip().split("\n")
        if len(lines) > 2 and any(not line.strip() for line in lines):
            # plain text put into markup as it was: its blank lines say that its lines were meant
            self._write_lines([_SPACES.sub(" ", line).strip() for line in lines])
            return
        if text[0].isspace() and not flow.is_line_empty and not flow.breaks:
            flow.has_space = True
        if words := _BLANKS.sub(" ", text).strip():
            flow.write(words)
            flow.has_space = text[-1].isspace()

    def _write_lines(self, lines: list[str]) -> None:
        flow = self._flow
        for i, line in enumerate(lines):
            if i:
                flow.breaks += 1 if not flow.is_line_empty or flow.breaks else 0
                flow.has_space = False
            if line.strip():
                flow.write(line.rstrip())


_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_BLOCKS = _HEADINGS | frozenset(
    """address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form header
    legend main nav p pre section summary table tbody tfoot thead title tr td th""".split()
)
_NOT_SHOWN = frozenset("head script style template noscript iframe object svg math audio video canvas map datalist".split())
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())


class _Target:
    """What lxml calls while it reads a page."""

    def __init__(self) -> None:
        self.narrative = Narrative()
        self.start = self.narrative.start
        self.end = self.narrative.end
        self.data = self.narrative.data

    def close(self) -> Narrative:
        return self.narrative


def html_text(html: str) -> tuple[str, int]:
    r"""Return the text of a page or a piece of HTML or XHTML, and how many struck-out passages were left out.

    Parameters
    ----------
    html : str

    Raises
    ------
    InvalidNoteError
        CS173 when elements lie more than `MAX_DEPTH` inside one another.
    PrerequisiteError
        CS169 when lxml is not installed.

    Examples
    --------
    >>> html_text("<h2>Plan</h2><ul><li>Insulin &amp; diet</ul><table><tr><td>K<td>5.9<td>high</table>")
    ('Plan\n- Insulin & diet\nK | 5.9 | high', 0)
    """
    etree = _etree()
    parser = etree.HTMLParser(target=_Target(), encoding="utf-8", no_network=True)
    parser.feed(html.replace("\x00", "").encode("utf-8", "replace") or b" ")
    narrative: Narrative = parser.close()
    return narrative.text(), narrative.n_struck


def _etree() -> Any:  # noqa: ANN401 - a module of an optional package
    try:
        return importlib.import_module("lxml.etree")
    except ImportError as error:
        raise PrerequisiteError(
            "CS169", "Reading HTML needs the package lxml, which is not installed. Run: pip install 'codesuggest[messages]'."
        ) from error
