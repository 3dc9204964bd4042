"""What every command shares: errors as one message with an exit code, a console, JSON that any terminal takes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec

import typer

from codesuggest.errors import CodesuggestError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "print_json", "print_table", "reported"]

_P = ParamSpec("_P")


def reported(command: Callable[_P, None]) -> Callable[_P, None]:
    """Print an error of the library as one message and leave with its exit code."""

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except CodesuggestError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(error.exit_code) from error

    return run


def console() -> Console:
    """Return a console that prints text as it is; a file or a pipe, which has no width of its own, gets 110 columns."""
    from rich.console import Console

    made = Console(highlight=False, markup=False, emoji=False)
    if not made.is_terminal and made.width < 110:
        made.width = 110
    return made


def print_json(value: object, *, indent: int | None = None) -> None:
    """Print JSON in ASCII alone, so that the bytes do not depend on the terminal's encoding."""
    typer.echo(json.dumps(value, indent=indent))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", n_left: int = 99) -> None:
    """Print a table; the first `n_left` columns are words, the rest numbers. A row called "all" is the sum of the others."""
    from rich import box
    from rich.table import Table

    table = Table(*head, title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(table.columns):
        column.justify = "left" if i < n_left else "right"
        column.overflow = "fold"
    for row in rows:
        table.add_row(*row, style="bold" if row[0] == "all" else None)
    console().print(table)
