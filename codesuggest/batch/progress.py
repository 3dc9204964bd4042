"""The progress bar of a run: on a terminal only, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, Task
    from rich.text import Text

__all__ = ["Meter", "progress_meter"]


class Meter(Protocol):
    """Is told how far a run is."""

    def __call__(self, *, share: float, n_notes: int, n_failures: int) -> None:
        """Show the share of the input done, from 0 to 1, and the notes and failures so far."""


def _quiet(*, share: float, n_notes: int, n_failures: int) -> None:
    """Show nothing."""


@contextmanager
def progress_meter(*, wanted: bool | None, n_resumed: int = 0) -> Iterator[Meter]:
    """Show a bar with rate and time left while the block runs.

    Parameters
    ----------
    wanted : bool or None
        None shows it when standard error is a terminal.
    n_resumed : int
        Notes done before; they do not count for the rate.
    """
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield _quiet
        return
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            seconds = task.elapsed or 0.0
            n_notes, n_failures = task.fields["n_notes"], task.fields["n_failures"]
            rate = (n_notes - n_resumed) / seconds if seconds > 0.5 else 0.0
            failures = f", {n_failures:,} failed" if n_failures else ""
            return Text(f"{n_notes:,} notes, {rate:,.0f}/s{failures}")

    bar: Progress = RichProgress(
        TextColumn("{task.percentage:>3.0f}%"),
        BarColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        row = bar.add_task("notes", total=1.0, n_notes=n_resumed, n_failures=0)

        def show(*, share: float, n_notes: int, n_failures: int) -> None:
            bar.update(row, completed=share, n_notes=n_notes, n_failures=n_failures)

        yield show
