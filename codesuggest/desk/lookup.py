"""Codes for the API: search and cards, of the release in force on a date."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from codesuggest.codes import ICD10CM, Release, Releases
from codesuggest.codes.search import CodeSearch
from codesuggest.errors import NoReleaseError
from codesuggest.model import Model

__all__ = ["Lookup"]


class Lookup:
    """Search and cards of codes.

    Parameters
    ----------
    releases : Releases
    model : str or None
        Folder of the model whose lexicon is searched too.
    """

    def __init__(self, releases: Releases, model: str | None = None) -> None:
        self.releases = releases
        self.model = model
        self._made: dict[str, CodeSearch] = {}
        self._lock = threading.Lock()

    def release(self, system: str, on: dt.date | None) -> Release:
        """Open the release of a date, the newest without one.

        Raises
        ------
        NoReleaseError
            CS103 when none is in force; CS645 when there is none of the system at all.
        """
        if on is not None:
            return self.releases.on(on, system)
        days = [info.effective for info in self.releases.list() if info.system == system]
        if not days:
            raise NoReleaseError(
                "CS645", f"No release of {system} is installed. Expected one. Add it with `codesuggest codes add`."
            )
        return self.releases.on(max(days), system)

    def warm_up(self) -> None:
        """Make the index of the newest ICD-10-CM release."""
        self._search(self.release(ICD10CM, None))

    def search(self, typed: str, *, system: str, on: dt.date | None, limit: int) -> dict[str, Any]:
        """Find codes; see `CodeSearch.find`."""
        release = self.release(system, on)
        found = self._search(release).find(typed, limit=limit)
        return {"items": [{"system": release.system, **asdict(m)} for m in found], "release": release.name}

    def _search(self, release: Release) -> CodeSearch:
        with self._lock:
            if release.sha256 not in self._made:
                self._made[release.sha256] = CodeSearch(release, self._terms() if release.system == ICD10CM else ())
            return self._made[release.sha256]

    def _terms(self) -> Iterable[tuple[str, str]]:
        model = Model.open(self.model, releases=self.releases)
        lexicon, release = model.lexicon, model.release
        for i, code in enumerate(lexicon.term_code.tolist()):
            if code >= 0:
                yield lexicon.term_text(i), release.text(code)

    def card(self, code: str, *, system: str, on: dt.date | None) -> dict[str, Any]:
        """Give everything known of a code. Raises as `Release.index` and `release`."""
        release = self.release(system, on)
        card = release.card(code)
        children = [{"code": c, "title": release.title(c), "billable": release.is_billable(c)} for c in card.children]
        return {
            "system": card.system,
            "release": card.release,
            "code": card.code,
            "title": card.title,
            "billable": card.billable,
            "ancestors": list(card.ancestors),
            "children": children,
            "chapter": f"{card.chapter.number}. {card.chapter.title}" if card.chapter else None,
            "block": f"{card.block.id} {card.block.title}" if card.block else None,
            "notes": [{"kind": n.kind, "text": n.text, "code": n.code} for n in card.notes or ()],
            "seventh_characters": card.seventh_characters or {},
        }
