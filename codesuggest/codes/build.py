"""Compile official files into the folder of a release: ``.npy`` arrays and a manifest with the hash of each.

The same input gives the same bytes: nothing of the clock, the machine or the hash seed goes in. The release that comes with the
library was made from the Tabular List of April 2026 (CDC/NCHS, a U.S. government work; name and hash of the file are in the
manifest) with::

    codesuggest codes add icd10c-tabular-April-1-2026.xml --effective 2026-04-01 --to codesuggest/codes/data
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesuggest.codes import readers
from codesuggest.codes.code import HCPCS, ICD10CM
from codesuggest.codes.release import FORMAT, MANIFEST, NOTE_KINDS, Release, manifest_sha256
from codesuggest.errors import BundleError, ConfigError, InputFormatError

__all__ = ["compile_release", "folder_name"]


def folder_name(system: str, effective: date) -> str:
    """Name of a release's folder.

    Examples
    --------
    >>> folder_name("ICD-10-CM", date(2026, 4, 1))
    'icd10cm-2026-04-01'
    """
    return f"{re.sub('[^a-z0-9]', '', system.lower())}-{effective.isoformat()}"


def _blob(texts: Iterable[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    pieces = [text.encode("utf-8") for text in texts]
    offsets = np.zeros(len(pieces) + 1, dtype=np.uint32)
    np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
    return np.frombuffer(b"".join(pieces), dtype=np.uint8), offsets


def _tree(codes: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Parent and end of subtree of each sorted code; the parent is the longest other code it begins with."""
    parent = np.full(len(codes), -1, dtype=np.int32)
    end = np.zeros(len(codes), dtype=np.int32)
    open_codes: list[int] = []
    for i, code in enumerate(codes):
        while open_codes and not code.startswith(codes[open_codes[-1]]):
            end[open_codes.pop()] = i
        if open_codes:
            parent[i] = open_codes[-1]
        open_codes.append(i)
    for i in open_codes:
        end[i] = len(codes)
    return parent, end


def _from_tabular(tabular: readers.Tabular) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    codes = [entry.code for entry in tabular.codes]
    sets: dict[readers.SeventhSet, int] = {}
    seventh = [sets.setdefault(entry.seventh, len(sets)) if entry.seventh else -1 for entry in tabular.codes]
    owners: list[tuple[int, readers.Notes]] = [(i, entry.notes) for i, entry in enumerate(tabular.codes) if entry.notes]
    owners += [(len(codes) + i, block.notes) for i, block in enumerate(tabular.blocks)]
    owners += [(len(codes) + len(tabular.blocks) + i, chapter.notes) for i, chapter in enumerate(tabular.chapters)]
    notes = [(owner, kind, text) for owner, pairs in owners for kind, text in pairs]
    arrays = _arrays(
        codes,
        [entry.billable for entry in tabular.codes],
        ["" if entry.added else entry.title for entry in tabular.codes],
        [entry.block for entry in tabular.codes],
        seventh,
        notes,
    )
    tables = {
        "chapters": [[c.number, c.title, c.first, c.last] for c in tabular.chapters],
        "blocks": [[b.first, b.last, b.title, b.chapter, b.parent] for b in tabular.blocks],
        "seventh_sets": [[list(pair) for pair in members] for members in sets],
        "has_notes": True,
    }
    return arrays, tables


def _from_rows(rows: Iterable[readers.OrderRow]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    ordered = sorted(rows, key=lambda row: row.code)
    n = len(ordered)
    codes, titles = [row.code for row in ordered], [row.title for row in ordered]
    arrays = _arrays(codes, [row.billable for row in ordered], titles, [-1] * n, [-1] * n, [])
    return arrays, {"chapters": [], "blocks": [], "seventh_sets": [], "has_notes": False}


def _in_force(records: Iterable[readers.HcpcsRecord], day: date) -> list[readers.OrderRow]:
    """Codes, not modifiers, that have begun and not ended on a day."""
    return [
        readers.OrderRow(r.code, True, r.short_title, r.title)
        for r in records
        if not r.is_modifier and (r.effective is None or r.effective <= day) and (r.terminated is None or r.terminated >= day)
    ]


def _arrays(
    codes: Sequence[str],
    billable: Sequence[bool],
    titles: Sequence[str],
    block: Sequence[int],
    seventh: Sequence[int],
    notes: Sequence[tuple[int, str, str]],
) -> dict[str, NDArray[Any]]:
    parent, subtree_end = _tree(codes)
    title_text, title_offsets = _blob(titles)
    note_text, note_offsets = _blob(text for _, _, text in notes)
    return {
        "codes": np.array([code.encode("ascii") for code in codes], dtype="S7"),
        "billable": np.array(billable, dtype=np.uint8),
        "parent": parent,
        "subtree_end": subtree_end,
        "block": np.array(block, dtype=np.int16),
        "seventh_set": np.array(seventh, dtype=np.int16),
        "title_text": title_text,
        "title_offsets": title_offsets,
        "note_owner": np.array([owner for owner, _, _ in notes], dtype=np.int32),
        "note_kind": np.array([NOTE_KINDS.index(kind) for _, kind, _ in notes], dtype=np.uint8),
        "note_text": note_text,
        "note_offsets": note_offsets,
    }


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def compile_release(
    file: str | Path,
    *,
    effective: date,
    to: str | Path,
    expires: date | None = None,
    name: str | None = None,
    replace: bool = False,
) -> Path:
    """Compile an official file into a release folder.

    Parameters
    ----------
    file : str or Path
        The Tabular List (XML; with notes, blocks and seventh characters), an order file of ICD-10-CM or ICD-10-PCS
        or CMS's HCPCS records (codes and titles alone).
    effective : date
        First date of service the release holds for.
    to : str or Path
        Folder of releases; the release becomes a folder in it, such as ``icd10cm-2026-04-01``.
    expires : date, optional
        Last date of service. Without it the release holds until the next one begins.
    name : str, optional
        Name people see; ``"<system> <effective>"`` without it.
    replace : bool
        Put the new release in the place of one of the same date.

    Returns
    -------
    Path
        The folder of the release.

    Raises
    ------
    InputFormatError
        If the file is not one of these, or damaged (CS108–CS119).
    ConfigError
        If the release would expire before it begins (CS120).
    BundleError
        If another release of that date is there already (CS121).

    Notes
    -----
    A Tabular List takes about two seconds. The folder appears whole or not at all.

    References
    ----------
    The layout of the folder: `codesuggest.codes.release`.

    Examples
    --------
    >>> compile_release("icd10cm-tabular.xml", effective=date(2026, 4, 1), to="releases")  # doctest: +SKIP
    PosixPath('releases/icd10cm-2026-04-01')
    """
    file, to = Path(file), Path(to)
    if expires is not None and expires < effective:
        msg = f"The release would expire on {expires}, before {effective}. Expected a later date. Correct the dates."
        raise ConfigError("CS120", msg)
    layout = readers.detect(file)
    if layout == "tabular":
        system = ICD10CM
        arrays, tables = _from_tabular(readers.read_tabular(file))
    elif layout == "order":
        rows = readers.read_order(file)
        system = readers.system_of_order(rows)
        arrays, tables = _from_rows(rows)
    elif layout == "hcpcs":
        system = HCPCS
        arrays, tables = _from_rows(_in_force(readers.read_hcpcs(file), effective))
    else:
        msg = f"{file.name!r} is a file of the layout {layout!r}. "
        msg += "Expected a Tabular List (XML), an order file or HCPCS records. Give one of these."
        raise InputFormatError("CS118", msg)
    files = {f"{key}.npy": _npy(array) for key, array in arrays.items()}
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "system": system,
        "name": name or f"{system} {effective.isoformat()}",
        "effective": effective.isoformat(),
        "expires": None if expires is None else expires.isoformat(),
        "source": {"file": file.name, "layout": layout, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
        "n_codes": len(arrays["codes"]),
        "n_billable": int(arrays["billable"].sum()),
        "files": {
            key: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)} for key, data in sorted(files.items())
        },
        **tables,
    }
    manifest["sha256"] = manifest_sha256(manifest)
    text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    files[MANIFEST] = text.encode("utf-8")
    return _put(files, to / folder_name(system, effective), manifest["sha256"], replace=replace)


def _put(files: dict[str, bytes], target: Path, sha256: str, *, replace: bool) -> Path:
    if target.exists() and not replace:
        if (target / MANIFEST).is_file() and Release.open(target).sha256 == sha256:
            return target
        msg = (
            f"{target.name!r} is there already and holds something else. Expected no release of that date. "
            "Replace it knowingly, or choose another folder."
        )
        raise BundleError("CS121", msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".compiling-") as scratch:
        new, old = Path(scratch) / "new", Path(scratch) / "old"
        new.mkdir()
        for name, data in files.items():
            (new / name).write_bytes(data)
        if target.exists():
            shutil.move(target, old)
        shutil.move(new, target)
    return target
