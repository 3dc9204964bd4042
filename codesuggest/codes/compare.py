"""Hold a Tabular List against another official list of the same codes: ``python -m codesuggest.codes.compare TABULAR OTHER``.

OTHER is an order file (codes, billable flags and long titles are compared) or a plain list (codes alone). Prints what differs and
exits with 0 when codes and billable flags are the same, 1 when not.

Result of 2026: January 2021, Tabular List against order file: 95,358 codes, 72,621 billable, no difference; 134 titles differ by
accents alone ("Sjögren", "Sjogren"). April 2026, Tabular List against a code list: 98,186 codes, no difference.
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codesuggest.codes import readers
from codesuggest.codes.code import with_dot
from codesuggest.errors import CodesuggestError, InputFormatError

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between a Tabular List and another list; codes without the dot, sorted.

    ``billable`` holds codes whose flags differ, ``titles`` (code, Tabular List, other) where the words differ, ``accents`` where
    only accents do. ``n_billable`` is that of the Tabular List. A plain list says nothing of flags and titles: then ``layout`` is
    ``"list"`` and they were not compared.

    Examples
    --------
    >>> Comparison("list", 3, 2, (), (), (), (), ()).is_same
    True
    """

    layout: str
    n_codes: int
    n_billable: int
    only_tabular: tuple[str, ...]
    only_other: tuple[str, ...]
    billable: tuple[str, ...]
    titles: tuple[tuple[str, str, str], ...]
    accents: tuple[tuple[str, str, str], ...]

    @property
    def is_same(self) -> bool:
        """Whether codes and billable flags are the same; titles do not count."""
        return not (self.only_tabular or self.only_other or self.billable)


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def compare(tabular_file: str | Path, other_file: str | Path) -> Comparison:
    """Compare a Tabular List with an order file or a plain list of codes.

    Raises
    ------
    InputFormatError
        If a file is not what it should be, as `readers.read_tabular`, `readers.read_order` and `readers.read_code_list`;
        CS118 if the other file is neither an order file nor a list.

    Examples
    --------
    >>> compare("icd10cm_tabular_2021.xml", "icd10cm_order_2021_january.txt").is_same  # doctest: +SKIP
    True
    """
    layout = readers.detect(other_file)
    if layout not in ("order", "list"):
        msg = (
            f"{Path(other_file).name!r} has the layout {layout!r}. Expected an order file or a list of codes. Give one of these."
        )
        raise InputFormatError("CS118", msg)
    tabular = {entry.code: entry for entry in readers.read_tabular(tabular_file).codes}
    rows = {row.code: row for row in readers.read_order(other_file)} if layout == "order" else {}
    other = set(rows) if layout == "order" else set(readers.read_code_list(other_file))
    both = sorted(rows.keys() & tabular.keys())
    titles = [(code, tabular[code].title, rows[code].title) for code in both if tabular[code].title != rows[code].title]
    return Comparison(
        layout=layout,
        n_codes=len(tabular),
        n_billable=sum(entry.billable for entry in tabular.values()),
        only_tabular=tuple(sorted(tabular.keys() - other)),
        only_other=tuple(sorted(other - tabular.keys())),
        billable=tuple(code for code in both if tabular[code].billable != rows[code].billable),
        titles=tuple(row for row in titles if _plain(row[1]) != _plain(row[2])),
        accents=tuple(row for row in titles if _plain(row[1]) == _plain(row[2])),
    )


def _write(label: str, codes: Sequence[str]) -> None:
    sys.stdout.write(f"{len(codes)} {label}\n")
    sys.stdout.writelines(f"  {with_dot(code)}\n" for code in codes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison as a command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m codesuggest.codes.compare", description="Compare two official lists of codes."
    )
    parser.add_argument("tabular", help="Tabular List, XML")
    parser.add_argument("other", help="order file, or a list of one code a line")
    options = parser.parse_args(arguments)
    try:
        found = compare(options.tabular, options.other)
    except CodesuggestError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{found.n_codes:,} codes in the Tabular List, {found.n_billable:,} of them billable\n")
    _write("only in the Tabular List", found.only_tabular)
    _write("only in the other", found.only_other)
    if found.layout == "list":
        sys.stdout.write("billable flags and titles not compared: the other is a plain list\n")
    else:
        _write("billable in one, not in the other", found.billable)
        sys.stdout.write(f"{len(found.titles)} titles differ in words, {len(found.accents)} in accents alone\n")
        sys.stdout.writelines(f"  {with_dot(code)}\n    {ours}\n    {theirs}\n" for code, ours, theirs in found.titles)
    return 0 if found.is_same else 1


if __name__ == "__main__":
    sys.exit(main())
