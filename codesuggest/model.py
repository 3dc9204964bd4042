"""Save and open a model folder: arrays, text and JSON, with a manifest of hashes. Opening runs no code from the folder.

::

    model/
      manifest.json      name, format, library version, code release, sha256 of every file
      ranker.json        weights, calibration, threshold
      lexicon/           compiled terms (codesuggest.extract.lexicon)
      specificity/       titles as numbers (codesuggest.rank.specificity)
      card.md            what it was trained on, how well it does, what it cannot do
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codesuggest import __version__
from codesuggest.codes import Release, Releases
from codesuggest.errors import BundleError
from codesuggest.extract.lexicon import Lexicon
from codesuggest.rank.ranker import Weights
from codesuggest.rank.specificity import SpecificityTable

__all__ = ["MODEL_FORMAT", "Model", "default_model_folder", "write_manifest"]

MODEL_FORMAT = 1
_MANIFEST = "manifest.json"


def default_model_folder() -> Path:
    """Return the folder of the model that ships: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "default_model"
    return installed if installed.is_dir() else package.parent / "models" / "default"


def in_use(folder: Path) -> Path:
    """Return the folder of the version in use when the folder is a registry of versions, otherwise the folder itself.

    Raises
    ------
    BundleError
        CS305 when no version of the registry is in use.
    """
    if (folder / _MANIFEST).is_file() or not (folder / "trail.jsonl").is_file():
        return folder
    from codesuggest.learn.registry import Registry

    registry = Registry(folder)
    if not registry.current:
        raise BundleError(
            "CS305",
            f"No version of the registry {folder.name!r} is in use. Expected one. Put one in use: codesuggest models promote VERSION.",
        )
    return registry.path(registry.current)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_files(folder: Path, files: dict[str, Any]) -> None:
    """Write arrays (``.npy``) and texts into a folder, byte for byte the same for the same content."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in sorted(files.items()):
        if isinstance(content, np.ndarray):
            np.save(folder / name, np.ascontiguousarray(content), allow_pickle=False)
        else:
            (folder / name).write_text(str(content), encoding="utf-8", newline="\n")


def write_manifest(folder: Path, *, name: str, release: Release, extra: dict[str, Any]) -> str:
    """Write the manifest of a model folder and return its sha256, the identity of the model."""
    files = {
        p.relative_to(folder).as_posix(): {"sha256": _sha256(p), "size_bytes": p.stat().st_size}
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in (_MANIFEST, "card.md")
    }
    manifest = {
        "format": MODEL_FORMAT,
        "name": name,
        "codesuggest": __version__,
        "release": {"system": release.system, "name": release.name, "sha256": release.sha256},
        "files": files,
        **extra,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (folder / _MANIFEST).write_text(text, encoding="utf-8", newline="\n")
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class Model:
    """An opened model.

    Parameters
    ----------
    folder : Path
    name : str
    sha256 : str
        Of the manifest, which holds the hash of every other file.
    manifest : dict
    release : Release
        The release the lexicon was compiled against.
    lexicon : Lexicon
    specificity : SpecificityTable
    weights : Weights
    """

    folder: Path
    name: str
    sha256: str
    manifest: dict[str, Any]
    release: Release
    lexicon: Lexicon
    specificity: SpecificityTable
    weights: Weights

    @classmethod
    def open(cls, folder: str | Path | None = None, *, releases: Releases | None = None) -> Model:
        """Open a model folder after checking every hash.

        Parameters
        ----------
        folder : path, optional
            A model folder, or a registry of versions (`codesuggest.learn.registry`), of which the one in use is opened; the default
            model when absent.
        releases : Releases, optional
            Where to look for the code release the model was compiled against.

        Raises
        ------
        BundleError
            CS300 missing folder or manifest; CS302 a file is missing or its hash differs; CS303 written by a newer
            library; CS304 the code release it needs is not installed or differs.
        """
        path = in_use(Path(folder)) if folder is not None else default_model_folder()
        manifest, digest = read_manifest(path)
        verify_files(path, manifest)
        wanted = manifest["release"]
        release = find_release(wanted, releases or Releases())
        try:
            lexicon = Lexicon(path / "lexicon")
            table = SpecificityTable(path / "specificity", release, lexicon.words)
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(path, f"the file layout is not that of format {MODEL_FORMAT} ({type(error).__name__})") from error
        return cls(path, str(manifest["name"]), digest, manifest, release, lexicon, table, Weights.open(path))


def _damaged(path: Path, problem: str) -> BundleError:
    return BundleError(
        "CS302",
        f"The model {path.name!r} cannot be used: {problem}. Expected the files its manifest lists, unchanged. "
        "Install the package again, or copy the model folder again.",
    )


def read_manifest(path: Path) -> tuple[dict[str, Any], str]:
    """Read and check the manifest of a model folder: (manifest, sha256 of the manifest)."""
    file = path / _MANIFEST
    if not file.is_file():
        raise BundleError(
            "CS300",
            f"There is no model in {str(path)!r}: {_MANIFEST} is missing. Expected a folder written by codesuggest. "
            "Check the path, or leave it out to use the default model.",
        )
    raw = file.read_bytes()
    try:
        manifest = json.loads(raw)
        found = int(manifest["format"])
        _ = (manifest["name"], manifest["release"]["name"], manifest["release"]["sha256"], manifest["files"].items())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, f"{_MANIFEST} is not readable ({type(error).__name__})") from error
    if found > MODEL_FORMAT:
        raise BundleError(
            "CS303",
            f"The model {path.name!r} has format {found}, written by codesuggest {manifest.get('codesuggest', '?')}. "
            f"This is codesuggest {__version__}, which reads formats up to {MODEL_FORMAT}. Upgrade codesuggest, or use an older model.",
        )
    return manifest, hashlib.sha256(raw).hexdigest()


def verify_files(path: Path, manifest: dict[str, Any]) -> None:
    """Compare every file with its hash in the manifest."""
    for name, facts in sorted(manifest["files"].items()):
        if not isinstance(facts, dict) or not {"sha256", "size_bytes"} <= facts.keys():
            raise _damaged(path, f"the manifest says nothing of {name}")
        file = path / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise _damaged(path, f"the manifest names a file outside the folder ({name!r})")
        if not file.is_file():
            raise _damaged(path, f"{name} is missing")
        if file.stat().st_size != facts["size_bytes"] or _sha256(file) != facts["sha256"]:
            raise _damaged(path, f"the hash of {name} differs")


def find_release(wanted: dict[str, Any], releases: Releases) -> Release:
    """Open the release a model was compiled against."""
    for info in releases.list():
        if info.name == wanted["name"] and info.system == wanted["system"]:
            release = Release.open(info.path)
            if release.sha256 == wanted["sha256"]:
                return release
    raise BundleError(
        "CS304",
        f"The model needs the code release {wanted['name']!r} as it was compiled, and it is not installed. "
        f"Installed: {', '.join(i.name for i in releases.list()) or 'none'}. Install the package again, or rebuild the model.",
    )
