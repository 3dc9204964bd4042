"""What every command shares: errors as one message with an exit code, a console, JSON that any terminal takes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec

import typer

from codesuggest.errors import CodesuggestError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "print_json", "reported"]

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
