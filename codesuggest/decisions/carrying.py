"""Codes of older releases, carried across to the one that is learned for.

Decision (2026-11): a header of the target (a code with more specific ones below it) that no release at hand ever billed is kept as it
is, and said to be not billable. Registries, other countries and research code by category; to learn for them is to learn their codes.
Where the release is at hand that billed it, the code was split, and goes to a successor or is listed. So bring the older releases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from codesuggest.codes.changes import Successor, diff
from codesuggest.errors import NoReleaseError

if TYPE_CHECKING:
    from datetime import date

    from codesuggest.codes.release import Release
    from codesuggest.codes.releases import Releases

__all__ = ["Carrier", "Fate"]

MIN_SCORE = 0.8
"""A deleted code goes to a code of nearly the same title (see `codesuggest.codes.changes.Successor`) only from this score on."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a code.

    Parameters
    ----------
    code : str or None
        The code that stands for it in the target release; None when there is none, or nobody can tell which.
    relation : str
        ``"same"``; ``"not billable"`` when it is kept as a header; ``"parent"``, ``"child"``, ``"title"`` as `Successor.relation`;
        ``"split"`` when several fit, ``"deleted"`` when none does, ``"unknown"`` when no release at hand has it.
    candidates : tuple of str
        Where it may have gone.
    """

    code: str | None
    relation: str
    candidates: tuple[str, ...] = ()


class Carrier:
    """Carries codes of a system to one release.

    Parameters
    ----------
    releases : Releases
        With the older ones, as far as they are at hand.
    system : str
    day : datetime.date, optional
        Day of service whose release is the target; the newest one without it.

    Raises
    ------
    NoReleaseError
        CS103 when there is no release of the system.

    Examples
    --------
    >>> from codesuggest.codes import Releases
    >>> Carrier(Releases(), "ICD-10-CM").fate("E11.65")
    Fate(code='E11.65', relation='same', candidates=())
    >>> Carrier(Releases(), "ICD-10-CM").fate("E11").relation
    'not billable'
    """

    def __init__(self, releases: Releases, system: str, day: date | None = None) -> None:
        days = sorted(info.effective for info in releases.list() if info.system == system)
        if not days:
            raise NoReleaseError(
                "CS103",
                f"No release of {system} is at hand. Expected one to carry codes to. Add it with `codesuggest codes add FILE "
                "--effective DATE`, or leave codes as they are.",
            )
        self.target: Release = releases.on(day or days[-1], system)
        self._older = [releases.on(d, system) for d in reversed(days) if d < self.target.effective]
        self._moved = cache(self._moves)
        self._successors = cache(self._find)

    def fate(self, code: str, fits: Callable[[str], bool] | None = None) -> Fate:
        """Say which code of the target stands for a code.

        Parameters
        ----------
        code : str
        fits : callable, optional
            ``fits(successor)``: whether the note speaks of a successor. Of several, the one that alone fits is taken.
        """
        if code in self.target and self.target.is_billable(code):
            return Fate(code, "same")
        found = self._successors(code)
        if found is None:
            return Fate(code, "not billable") if code in self.target else Fate(None, "unknown")
        sure = [s for s in found if s.relation != "title" or s.score >= MIN_SCORE]
        names = tuple(s.code for s in found)
        if len(sure) == 1:
            return Fate(sure[0].code, sure[0].relation, names)
        fitting = [s for s in found if fits is not None and fits(s.code)]
        if len(fitting) == 1:
            return Fate(fitting[0].code, fitting[0].relation, names)
        return Fate(None, "split" if found else "deleted", names)

    def _find(self, code: str) -> tuple[Successor, ...] | None:
        """Return where a code went by the newest older release that bills it; None when none does."""
        for release in self._older:
            if code in release and release.is_billable(code):
                return self._moved(release).get(code, ())
        return None

    def _moves(self, old: Release) -> dict[str, tuple[Successor, ...]]:
        changes = diff(old, self.target)
        return {c.code: c.successors for c in changes.deleted} | {c.code: c.successors for c in changes.became_header}
