"""A release: which codes exist from a date on, with billable flags, titles, tree, notes and seventh characters.

A release is a folder of ``.npy`` arrays and ``manifest.json``, compiled once by `codesuggest.codes.build` and opened by
memory map. Nothing in it is executed; every file is hashed before it is used.

==================  ==========  ===================================================================================
array               type        meaning
==================  ==========  ===================================================================================
codes               S7          codes without the dot, sorted, so that a code and all below it are neighbours
billable            uint8       1 where the code may go on a claim
parent              int32       place of the code one level up, -1 at a category
subtree_end         int32       place after the last code below
block               int16       place in the manifest's ``blocks``, -1 when not known
seventh_set         int16       place in the manifest's ``seventh_sets``: characters to add here or below, -1 for none
title_text          uint8       titles, UTF-8; empty where the title is the parent's with the seventh character's definition
title_offsets       uint32      n + 1 bounds into it
note_owner          int32       code, then n + block, then n + n_blocks + chapter; ascending
note_kind           uint8       place in `NOTE_KINDS`
note_text           uint8       notes, UTF-8
note_offsets        uint32      bounds into it
==================  ==========  ===================================================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes.code import ICD10CM, Code, shown, with_dot, without_dot
from codesuggest.codes.ranges import CodeRange, find_ranges
from codesuggest.errors import BundleError, ConfigError, PrerequisiteError, UnknownCodeError

__all__ = ["NOTE_KINDS", "Block", "Chapter", "CodeCard", "InstructionalNote", "Release"]

FORMAT = 1
MANIFEST = "manifest.json"
NOTE_KINDS = (
    "includes",
    "inclusion_term",
    "excludes1",
    "excludes2",
    "code_first",
    "use_additional_code",
    "code_also",
    "note",
    "seventh_note",
)
"""Kinds of instructional notes; a release stores the place in this tuple, so new kinds go to the end."""

_DTYPES = {
    "codes": "|S7",
    "billable": "|u1",
    "parent": "<i4",
    "subtree_end": "<i4",
    "block": "<i2",
    "seventh_set": "<i2",
    "title_text": "|u1",
    "title_offsets": "<u4",
    "note_owner": "<i4",
    "note_kind": "|u1",
    "note_text": "|u1",
    "note_offsets": "<u4",
}
_MANIFEST_KEYS = frozenset({"system", "name", "effective", "expires", "source", "n_codes", "n_billable", "files", "has_notes"})
_MANIFEST_TABLES = ("chapters", "blocks", "seventh_sets")
_EVERY_CODE = ("billable", "parent", "subtree_end", "block", "seventh_set")


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter of the Tabular List: number, title, first and last category.

    Examples
    --------
    >>> Chapter(4, "Endocrine, nutritional and metabolic diseases", "E00", "E89").number
    4
    """

    number: int
    title: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Block:
    """A block of categories: first and last category, and title.

    Examples
    --------
    >>> Block("E08", "E13", "Diabetes mellitus").id
    'E08-E13'
    """

    first: str
    last: str
    title: str

    @property
    def id(self) -> str:
        """The range as it is printed; a single category alone."""
        return self.first if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class InstructionalNote:
    """A note of the Tabular List.

    Parameters
    ----------
    kind : str
        One of `NOTE_KINDS`.
    text : str
        The note as published, blanks evened out.
    code : str
        Where it stands: a dotted code, a block (``"E08-E13"``) or ``"chapter 4"``.
    codes_mentioned : tuple of CodeRange
        The codes it names, in order; see `find_ranges`.

    Examples
    --------
    >>> InstructionalNote("excludes1", "gestational diabetes (O24.4-)", "E11").codes_mentioned
    ()
    """

    kind: str
    text: str
    code: str
    codes_mentioned: tuple[CodeRange, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeCard:
    """What a release knows of one code; None where it cannot know, having been compiled without a Tabular List.

    Codes are dotted, ``ancestors`` nearest first; ``notes`` are the code's own, then those it inherits.
    """

    system: str
    release: str
    code: str
    title: str
    billable: bool
    ancestors: tuple[str, ...]
    children: tuple[str, ...]
    chapter: Chapter | None
    block: Block | None
    notes: tuple[InstructionalNote, ...] | None
    seventh_characters: dict[str, str] | None


def manifest_sha256(manifest: dict[str, Any]) -> str:
    """Hash a manifest without its own ``sha256``, keys sorted."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    text = json.dumps(rest, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """Read and check the manifest of a release folder."""
    file = path / MANIFEST
    if not file.is_file():
        msg = f"{path.name!r} is not a release: it has no {MANIFEST}. Expected a folder made by `codesuggest codes add`. "
        raise BundleError("CS104", msg + "Compile the release again.")
    try:
        manifest = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"{MANIFEST} is not JSON") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise _damaged(path, f"{MANIFEST} names no format")
    if manifest["format"] != FORMAT:
        msg = f"{path.name!r} has the format {manifest['format']}. Expected format {FORMAT}. "
        msg += "Update the library." if manifest["format"] > FORMAT else "Compile the release again."
        raise BundleError("CS106", msg)
    if manifest.get("sha256") != manifest_sha256(manifest):
        raise _damaged(path, f"{MANIFEST} does not match its own hash")
    if missing := sorted(_MANIFEST_KEYS.union(_MANIFEST_TABLES) - manifest.keys()):
        raise _damaged(path, f"{MANIFEST} has no {missing[0]!r}")
    return manifest


def _damaged(path: Path, problem: str) -> BundleError:
    msg = f"The release {path.name!r} is damaged: {problem}. Expected it as it was compiled. Compile or install it again."
    return BundleError("CS105", msg)


def _load(path: Path, manifest: dict[str, Any], *, check_hashes: bool) -> dict[str, NDArray[Any]]:
    arrays = {}
    if set(manifest["files"]) != {f"{name}.npy" for name in _DTYPES}:
        raise _damaged(path, "its list of files is not that of this format")
    for name, dtype in _DTYPES.items():
        file, expected = path / f"{name}.npy", manifest["files"][f"{name}.npy"]
        if not file.is_file():
            msg = f"The release {path.name!r} has no {file.name}. Expected {len(_DTYPES)} arrays. Compile or install it again."
            raise BundleError("CS107", msg)
        if file.stat().st_size != expected["size_bytes"]:
            raise _damaged(path, f"{file.name} has {file.stat().st_size} bytes, not {expected['size_bytes']}")
        if check_hashes and _file_sha256(file) != expected["sha256"]:
            raise _damaged(path, f"{file.name} does not match its hash")
        try:
            array = np.load(file, mmap_mode="r" if expected["size_bytes"] > 4096 else None, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise _damaged(path, f"{file.name} is not an array") from error
        if array.dtype.str != dtype or array.ndim != 1:
            raise _damaged(path, f"{file.name} has the type {array.dtype.str}, not {dtype}")
        array.flags.writeable = False
        arrays[name] = array.view(np.ndarray)  # plain indexing is faster than that of memmap
    n, n_notes = manifest["n_codes"], len(arrays["note_owner"])
    sizes_fit = (
        len(arrays["codes"]) == n
        and all(len(arrays[name]) == n for name in _EVERY_CODE)
        and len(arrays["title_offsets"]) == n + 1
        and len(arrays["note_kind"]) == n_notes
        and len(arrays["note_offsets"]) == n_notes + 1
    )
    if not sizes_fit:
        raise _damaged(path, "its arrays differ in length")
    return arrays


def _file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Release:
    """One release of a code system, read from its folder. Open it with `Release.open`.

    Parameters
    ----------
    path : Path
        The folder.
    manifest : dict
        Its manifest, checked.
    arrays : dict of str to ndarray
        Its arrays, checked; see the module for their meaning.

    Attributes
    ----------
    system, name, sha256 : str
        Code system, name for people, and the hash of the manifest, which covers every file.
    effective : date
        First date of service.
    expires : date or None
        Last date of service.
    has_notes : bool
        Whether it was compiled from a Tabular List, and so knows notes, blocks and seventh characters.
    codes : ndarray of S7, shape (n_codes,)
        Codes without the dot, sorted; read-only.
    billable : ndarray of uint8, shape (n_codes,)
        1 where the code is billable; read-only.

    Notes
    -----
    Copies sent to other processes (pickled) carry the path alone and open the folder again.

    References
    ----------
    ICD-10-CM Tabular List, CDC/NCHS; the release and its date are in the manifest.

    Examples
    --------
    >>> from codesuggest.codes import Releases
    >>> release = Releases().on(date(2026, 5, 4))
    >>> release.title("E11.65"), release.is_billable("e1165")
    ('Type 2 diabetes mellitus with hyperglycemia', True)
    """

    def __init__(self, path: Path, manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.path = path
        self.system: str = manifest["system"]
        self.name: str = manifest["name"]
        self.effective = date.fromisoformat(manifest["effective"])
        self.expires = None if manifest["expires"] is None else date.fromisoformat(manifest["expires"])
        self.sha256: str = manifest["sha256"]
        self.source: dict[str, str] = manifest["source"]
        self.has_notes: bool = manifest["has_notes"]
        self.codes: NDArray[np.bytes_] = arrays["codes"]
        self.billable: NDArray[np.uint8] = arrays["billable"]
        self._arrays = arrays
        self._parent, self._end = arrays["parent"], arrays["subtree_end"]
        self._chapters = tuple(Chapter(*row) for row in manifest["chapters"])
        self._block_rows = [tuple(row) for row in manifest["blocks"]]
        self._seventh_sets = [{char: text for char, text in members} for members in manifest["seventh_sets"]]
        self._mentions: dict[int, tuple[CodeRange, ...]] = {}
        self._place_of = lru_cache(maxsize=4096)(self._search)

    @classmethod
    def open(cls, path: str | Path, *, check_hashes: bool = True) -> Self:
        """Open a release folder.

        Parameters
        ----------
        path : str or Path
            A folder made by `codesuggest.codes.build.compile_release`.
        check_hashes : bool
            Hash every file first (some milliseconds). Without it only sizes and types are checked.

        Returns
        -------
        Release

        Raises
        ------
        BundleError
            If the folder is no release (CS104), is damaged (CS105), has another format (CS106) or lacks a file (CS107).

        Examples
        --------
        >>> Release.open("releases/icd10cm-2026-04-01")  # doctest: +SKIP
        <Release ICD-10-CM 2026-04-01: 98,186 codes>
        """
        path = Path(path).absolute()  # a copy sent to another process may start elsewhere
        manifest = read_manifest(path)
        return cls(path, manifest, _load(path, manifest, check_hashes=check_hashes))

    def verify(self) -> None:
        """Read every file again, compare it with the manifest, and check that the tables fit together.

        Raises
        ------
        BundleError
            If anything differs from what was compiled (CS105, CS107).

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).verify()
        """
        arrays = _load(self.path, read_manifest(self.path), check_hashes=True)
        n, n_blocks = len(self), len(self._block_rows)
        ascending = bool(np.all(arrays["codes"][:-1] < arrays["codes"][1:]))
        in_range = bool(
            np.all(arrays["parent"] < np.arange(n))
            and np.all(arrays["block"] < max(n_blocks, 1))
            and np.all(arrays["seventh_set"] < max(len(self._seventh_sets), 1))
            and np.all(np.diff(arrays["title_offsets"].astype(np.int64)) >= 0)
            and np.all(np.diff(arrays["note_offsets"].astype(np.int64)) >= 0)
            and np.all(np.diff(arrays["note_owner"]) >= 0)
        )
        if not ascending or not in_range:
            raise _damaged(self.path, "its tables do not fit together")

    def __reduce__(self) -> tuple[Any, ...]:
        return (Release.open, (self.path,))

    def __repr__(self) -> str:
        return f"<Release {self.name}: {len(self):,} codes>"

    # ------------------------------------------------------------------------------------------------------- look-up
    def __len__(self) -> int:
        return len(self.codes)

    def __contains__(self, code_text: object) -> bool:
        return isinstance(code_text, str) and self._find(code_text) >= 0

    def _find(self, code_text: str) -> int:
        # what is longer than a code with its dot is not worth remembering
        return self._place_of(code_text) if len(code_text) <= 8 else self._search(code_text)

    def _search(self, code_text: str) -> int:
        text = without_dot(code_text, self.system)
        if not 0 < len(text) <= 7 or not text.isascii():
            return -1
        key = np.bytes_(text.encode("ascii"))
        i = int(self.codes.searchsorted(key))
        return i if i < len(self.codes) and self.codes[i] == key else -1

    def index(self, code_text: str) -> int:
        """Place of a code in `codes`.

        Parameters
        ----------
        code_text : str
            With or without the dot, in any case.

        Returns
        -------
        int in [0, len(release))

        Raises
        ------
        InvalidCodeError
            If the text has not the format of the system (CS100).
        UnknownCodeError
            If the release does not hold the code (CS102). The message names the nearest code above it and its children.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).index("A00.0")
        1
        """
        if isinstance(code_text, str):
            i = self._find(code_text)
            if i >= 0:
                return i
        code = Code.parse(code_text, self.system)
        raise UnknownCodeError("CS102", self._unknown(code))

    def _unknown(self, code: Code) -> str:
        above = next((code.text[:k] for k in range(len(code.text) - 1, 0, -1) if self._find(code.text[:k]) >= 0), None)
        what = f"{str(code)!r} is not a code of {self.name}."
        if above is None:
            category = f" its category {code.category} does not exist." if self.system == ICD10CM else " nothing above it exists."
            return f"{what} Expected a code of the release;{category} Check the code and the date of service."
        shown_above = with_dot(above, self.system)
        children = self.children(above)
        if not children:
            return f"{what} Expected {shown_above}, which has no codes below it. Use {shown_above}."
        names = ", ".join(children) if len(children) <= 8 else f"{', '.join(children[:4])} … {children[-1]}"
        return f"{what} Expected one of the {len(children)} under {shown_above}: {names}. Choose one of these."

    def text(self, i: int) -> str:
        """Give the code at a place, dotted.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).text(1)
        'A00.0'
        """
        return with_dot(self.codes[i].decode("ascii"), self.system)

    def resolve(self, code_text: str) -> str:
        """Give a code of the release as it is written: capitals, dotted.

        Raises
        ------
        InvalidCodeError, UnknownCodeError
            As `index`.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).resolve(" e1165")
        'E11.65'
        """
        return self.text(self.index(code_text))

    def is_billable(self, code_text: str) -> bool:
        """Whether the code may go on a claim. Raises as `index`.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).is_billable("E11")
        False
        """
        return bool(self.billable[self.index(code_text)])

    def title(self, code_text: str) -> str:
        """Full description, with the seventh character's definition. Raises as `index`.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).title("T14.91XA")
        'Suicide attempt, initial encounter'
        """
        return self.title_at(self.index(code_text))

    def title_at(self, i: int) -> str:
        """Full description of the code at a place.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).title_at(0)
        'Cholera'
        """
        title = self._blob_text("title", i)
        if title:
            return title
        parent = int(self._parent[i])
        definition = self._seventh_sets[self._arrays["seventh_set"][parent]][self.codes[i][-1:].decode("ascii")]
        return f"{self._blob_text('title', parent)}, {definition}"

    def _blob_text(self, name: str, i: int) -> str:
        offsets = self._arrays[f"{name}_offsets"]
        return self._arrays[f"{name}_text"][int(offsets[i]) : int(offsets[i + 1])].tobytes().decode("utf-8")

    # ---------------------------------------------------------------------------------------------------------- tree
    def parent(self, code_text: str) -> str | None:
        """Give the code one level up, dotted; None for a category. Raises as `index`.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).parent("T36.0X1A")
        'T36.0X1'
        """
        i = int(self._parent[self.index(code_text)])
        return None if i < 0 else self.text(i)

    def ancestors(self, code_text: str) -> tuple[str, ...]:
        """Give the codes above, nearest first, dotted. Raises as `index`.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).ancestors("E11.65")
        ('E11.6', 'E11')
        """
        return tuple(self.text(i) for i in self._above(self.index(code_text)))

    def _above(self, i: int) -> Iterator[int]:
        i = int(self._parent[i])
        while i >= 0:
            yield i
            i = int(self._parent[i])

    def children(self, code_text: str) -> tuple[str, ...]:
        """Give the codes one level down, dotted, in order. Raises as `index`.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).children("I50.2")
        ('I50.20', 'I50.21', 'I50.22', 'I50.23')
        """
        low, high = self.subtree_range(self.index(code_text))
        found, i = [], low + 1
        while i < high:
            found.append(self.text(i))
            i = int(self._end[i])
        return tuple(found)

    def descendants(self, code_text: str, *, billable_only: bool = False) -> tuple[str, ...]:
        """Give all codes below, dotted, in order. Raises as `index`.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> len(Releases().on(date(2026, 5, 4)).descendants("I50", billable_only=True))
        23
        """
        low, high = self.subtree_range(self.index(code_text))
        return tuple(self.text(i) for i in range(low + 1, high) if self.billable[i] or not billable_only)

    def subtree_range(self, i: int) -> tuple[int, int]:
        """Half-open range of places of a code and everything below it: ``codes[low:high]``.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).subtree_range(0)
        (0, 4)
        """
        return i, int(self._end[i])

    # --------------------------------------------------------------------------------------------- blocks, notes, seventh
    def _need_notes(self) -> None:
        if not self.has_notes:
            msg = (
                f"{self.name} knows no notes, blocks or seventh characters: it was compiled from {self.source['layout']!r}. "
                "Expected a release compiled from the Tabular List. Add that XML file with `codesuggest codes add`."
            )
            raise PrerequisiteError("CS124", msg)

    def chapter(self, code_text: str) -> Chapter:
        """Chapter of a code. Raises as `index`; PrerequisiteError (CS124) for a release of an order file.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).chapter("I10").number
        9
        """
        self._need_notes()
        row = self._block_rows[int(self._arrays["block"][self.index(code_text)])]
        return self._chapters[int(row[3])]

    def block(self, code_text: str) -> Block:
        """Narrowest block of a code. Raises as `chapter`.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).block("E11.65")
        Block(first='E08', last='E13', title='Diabetes mellitus')
        """
        self._need_notes()
        row = self._block_rows[int(self._arrays["block"][self.index(code_text)])]
        return Block(row[0], row[1], row[2])

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """Chapters in order; empty for a release of an order file."""
        return self._chapters

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Blocks in the order of the Tabular List, wider ones before those they hold."""
        return tuple(Block(row[0], row[1], row[2]) for row in self._block_rows)

    def seventh_characters(self, code_text: str) -> dict[str, str]:
        """Seventh characters that may be added to a code or to the codes below it, with their definitions.

        Parameters
        ----------
        code_text : str
            For a code that has its seventh character already, the choices it was made from.

        Returns
        -------
        dict of str to str
            Empty when the code takes none. Codes of fewer than six characters are filled with the placeholder X first.

        Raises
        ------
        InvalidCodeError, UnknownCodeError, PrerequisiteError
            As `chapter`.

        References
        ----------
        ICD-10-CM Official Guidelines, section I.A.5.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).seventh_characters("T14.91")
        {'A': 'initial encounter', 'D': 'subsequent encounter', 'S': 'sequela'}
        """
        self._need_notes()
        i = self.index(code_text)
        if self._arrays["title_offsets"][i] == self._arrays["title_offsets"][i + 1]:
            i = int(self._parent[i])
        place = int(self._arrays["seventh_set"][i])
        return dict(self._seventh_sets[place]) if place >= 0 else {}

    def _owners(self, i: int, *, inherited: bool) -> Iterator[tuple[int, str]]:
        """Places in note_owner with their names: the code, then above it, its blocks, its chapter."""
        yield i, self.text(i)
        if not inherited:
            return
        for above in self._above(i):
            yield above, self.text(above)
        place = int(self._arrays["block"][i])
        chapter = self._block_rows[place][3]
        while place >= 0:
            row = self._block_rows[place]
            yield len(self) + place, row[0] if row[0] == row[1] else f"{row[0]}-{row[1]}"
            place = row[4]
        yield len(self) + len(self._block_rows) + chapter, f"chapter {self._chapters[chapter].number}"

    def notes(self, code_text: str, kind: str | None = None, *, inherited: bool = False) -> tuple[InstructionalNote, ...]:
        """Instructional notes of a code.

        Parameters
        ----------
        code_text : str
            With or without the dot.
        kind : str, optional
            One of `NOTE_KINDS`; all kinds without it.
        inherited : bool
            Also the notes of every code above, of the blocks and of the chapter, nearest first.

        Returns
        -------
        tuple of InstructionalNote
            In the order of the Tabular List at each place.

        Raises
        ------
        ConfigError
            If the kind is not known (CS123).
        InvalidCodeError, UnknownCodeError, PrerequisiteError
            As `chapter`.

        References
        ----------
        ICD-10-CM Official Guidelines, sections I.A.10–17.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> release = Releases().on(date(2026, 5, 4))
        >>> [note.text for note in release.notes("E11.65", "excludes1", inherited=True)][-1]
        'transitory endocrine and metabolic disorders specific to newborn (P70-P74)'
        """
        self._need_notes()
        if kind is not None and kind not in NOTE_KINDS:
            msg = f"Unknown kind of note: {shown(kind)}. Expected one of {', '.join(NOTE_KINDS)}. Name one of these."
            raise ConfigError("CS123", msg)
        wanted = None if kind is None else NOTE_KINDS.index(kind)
        owner_array, kinds = self._arrays["note_owner"], self._arrays["note_kind"]
        found = []
        for owner, where in self._owners(self.index(code_text), inherited=inherited):
            low, high = (int(k) for k in owner_array.searchsorted([owner, owner + 1]))
            for i in range(low, high):
                if wanted is None or kinds[i] == wanted:
                    text = self._blob_text("note", i)
                    found.append(InstructionalNote(NOTE_KINDS[int(kinds[i])], text, where, self._mentioned(i, text)))
        return tuple(found)

    def _mentioned(self, i: int, text: str) -> tuple[CodeRange, ...]:
        """Ranges a note names that hold at least one code of the release: "vitamin B12" names none."""
        if i not in self._mentions:
            self._mentions[i] = tuple(r for r in find_ranges(text) if self._is_used(r))
        return self._mentions[i]

    def _is_used(self, codes: CodeRange) -> bool:
        low = int(self.codes.searchsorted(np.bytes_(codes.first.encode("ascii"))))
        return low < len(self) and self.codes[low][: len(codes.last)] <= codes.last.encode("ascii")

    def excludes1(self, code_text: str) -> tuple[CodeRange, ...]:
        """Codes that an Excludes1 note rules out beside this one.

        Parameters
        ----------
        code_text : str
            With or without the dot.

        Returns
        -------
        tuple of CodeRange
            From the notes of the code, of every code above, of its blocks and its chapter, nearest first, without
            repeats. Ask ``other in range``. `notes` gives the words and the place for a citation.

        Raises
        ------
        InvalidCodeError, UnknownCodeError, PrerequisiteError
            As `chapter`.

        Notes
        -----
        One direction: the other code may name this one while this one does not name it. Ask both. Two conditions that are
        unrelated to each other may be coded together in spite of the note; that is for a person to decide.

        References
        ----------
        ICD-10-CM Official Guidelines, section I.A.12.a.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> ruled_out = Releases().on(date(2026, 5, 4)).excludes1("E11.65")
        >>> any("E10.9" in codes for codes in ruled_out)
        True
        """
        notes = self.notes(code_text, "excludes1", inherited=True)
        return tuple(dict.fromkeys(codes for note in notes for codes in note.codes_mentioned))

    def card(self, code_text: str) -> CodeCard:
        """Everything known of a code in one value. Raises as `index`.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> Releases().on(date(2026, 5, 4)).card("I50.2").children
        ('I50.20', 'I50.21', 'I50.22', 'I50.23')
        """
        i = self.index(code_text)
        text = self.text(i)
        return CodeCard(
            system=self.system,
            release=self.name,
            code=text,
            title=self.title_at(i),
            billable=bool(self.billable[i]),
            ancestors=self.ancestors(text),
            children=self.children(text),
            chapter=self.chapter(text) if self.has_notes else None,
            block=self.block(text) if self.has_notes else None,
            notes=self.notes(text, inherited=True) if self.has_notes else None,
            seventh_characters=self.seventh_characters(text) if self.has_notes else None,
        )

    def inclusion_terms(self) -> Iterator[tuple[str, str]]:
        """Yield every inclusion term with the dotted code it stands under, in order.

        Examples
        --------
        >>> from codesuggest.codes import Releases
        >>> next(Releases().on(date(2026, 5, 4)).inclusion_terms())
        ('A00.0', 'Classical cholera')
        """
        self._need_notes()
        wanted = NOTE_KINDS.index("inclusion_term")
        owners = self._arrays["note_owner"]
        for i in np.flatnonzero(self._arrays["note_kind"] == wanted):
            if owners[i] < len(self):
                yield self.text(int(owners[i])), self._blob_text("note", int(i))
