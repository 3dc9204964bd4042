"""Several releases side by side, chosen by the date of service."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from codesuggest.codes.code import ICD10CM
from codesuggest.codes.release import MANIFEST, Release, read_manifest
from codesuggest.errors import NoReleaseError

__all__ = ["ReleaseInfo", "Releases", "shipped_folder", "user_folder"]


def shipped_folder() -> Path:
    """Folder of the releases that come with the library.

    Examples
    --------
    >>> [folder.name for folder in sorted(shipped_folder().iterdir())]
    ['icd10cm-2026-04-01']
    """
    return Path(__file__).parent / "data"


def user_folder() -> Path:
    """Folder of the user's own releases: ``$CODESUGGEST_HOME/releases``, else ``~/.local/share/codesuggest/releases``.

    Examples
    --------
    >>> user_folder().name
    'releases'
    """
    home = os.environ.get("CODESUGGEST_HOME")
    return (Path(home) if home else Path("~/.local/share/codesuggest")).expanduser() / "releases"


@dataclass(frozen=True, slots=True, order=True)
class ReleaseInfo:
    """What the manifest of a release says; dates are dates of service, ``expires`` the last one.

    Examples
    --------
    >>> Releases(shipped_folder()).list()[0].n_codes
    98186
    """

    system: str
    effective: date
    expires: date | None
    name: str
    n_codes: int
    n_billable: int
    sha256: str
    path: Path


class Releases:
    """The releases found in one or more folders.

    Parameters
    ----------
    folders : str, Path or sequence of them, optional
        Folders of releases; one that does not exist counts as empty. Without it: those that come with the library, then
        the user's own (`user_folder`). When two hold a release of the same system and date, the later folder wins. `add` writes
        into the last.

    Raises
    ------
    BundleError
        While listing, if the manifest of a release is damaged (CS105) or of another format (CS106).

    Notes
    -----
    Folders are looked at when asked, so a release added by another process is seen; opened releases are kept, and one that was
    replaced is opened anew.

    Examples
    --------
    >>> Releases().on(date(2026, 5, 4)).name
    'ICD-10-CM 2026-04-01'
    """

    def __init__(self, folders: str | Path | Sequence[str | Path] | None = None) -> None:
        if folders is None:
            folders = (shipped_folder(), user_folder())
        elif isinstance(folders, str | Path):
            folders = (folders,)
        self.folders = tuple(Path(folder) for folder in folders)
        self._open: dict[tuple[Path, str], Release] = {}
        self._infos: dict[Path, tuple[tuple[int, int, int], ReleaseInfo]] = {}

    def list(self) -> tuple[ReleaseInfo, ...]:
        """All releases, by system and date.

        Examples
        --------
        >>> [info.system for info in Releases(shipped_folder()).list()]
        ['ICD-10-CM']
        """
        found: dict[tuple[str, date], ReleaseInfo] = {}
        for folder in self.folders:
            paths = sorted(p for p in folder.iterdir() if (p / MANIFEST).is_file()) if folder.is_dir() else []
            for path in paths:
                info = self._info(path)
                found[info.system, info.effective] = info
        return tuple(found[key] for key in sorted(found))

    def _info(self, path: Path) -> ReleaseInfo:
        """Read the manifest of a release, again only when the file has changed."""
        stat = (path / MANIFEST).stat()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if path not in self._infos or self._infos[path][0] != stamp:
            manifest = read_manifest(path)
            info = ReleaseInfo(
                system=manifest["system"],
                effective=date.fromisoformat(manifest["effective"]),
                expires=None if manifest["expires"] is None else date.fromisoformat(manifest["expires"]),
                name=manifest["name"],
                n_codes=manifest["n_codes"],
                n_billable=manifest["n_billable"],
                sha256=manifest["sha256"],
                path=path,
            )
            self._infos[path] = (stamp, info)
        return self._infos[path][1]

    def on(self, date_of_service: date, system: str = ICD10CM) -> Release:
        """Open the release in force on a date of service.

        Parameters
        ----------
        date_of_service : date
            The discharge date for an inpatient stay. Of a `datetime` the date counts.
        system : str
            One of `codesuggest.codes.SYSTEMS`.

        Returns
        -------
        Release
            The one with the latest effective date not after the date of service. After the newest it is the newest.

        Raises
        ------
        NoReleaseError
            If every release begins later, or the latest that had begun has expired (CS103).
        BundleError
            If the release is damaged.

        References
        ----------
        CMS: the code set follows the date of discharge or service.

        Examples
        --------
        >>> Releases().on(date(2026, 4, 1)).effective
        datetime.date(2026, 4, 1)
        """
        day = date_of_service.date() if isinstance(date_of_service, datetime) else date_of_service
        known = [info for info in self.list() if info.system == system]
        begun = [info for info in known if info.effective <= day]
        if not begun or ((expires := begun[-1].expires) is not None and expires < day):
            there = ", ".join(_in_force(info) for info in known) or "none"
            msg = (
                f"No release of {system} is in force on {day.isoformat()}. Expected one of those at hand: {there}. "
                "Add the release of that date with `codesuggest codes add FILE --effective DATE`."
            )
            raise NoReleaseError("CS103", msg)
        info = begun[-1]
        key = (info.path, info.sha256)
        if key not in self._open:
            self._open[key] = Release.open(info.path)
        return self._open[key]

    def add(
        self, file: str | Path, *, effective: date, expires: date | None = None, name: str | None = None, replace: bool = False
    ) -> Release:
        """Compile an official file into the last folder and open it.

        Parameters and errors are those of `codesuggest.codes.build.compile_release`.

        Examples
        --------
        >>> Releases().add("icd10cm-tabular.xml", effective=date(2026, 10, 1))  # doctest: +SKIP
        <Release ICD-10-CM 2026-10-01: ... codes>
        """
        from codesuggest.codes.build import compile_release

        path = compile_release(file, effective=effective, expires=expires, name=name, to=self.folders[-1], replace=replace)
        return Release.open(path)


def _in_force(info: ReleaseInfo) -> str:
    return f"{info.name} (from {info.effective}{f' to {info.expires}' if info.expires else ''})"
