"""Settings from a TOML file into frozen dataclasses; a key that is not known is an error.

A settings class is a plain frozen dataclass with a default for every field, and ``__pydantic_config__ = STRICT`` as its one extra
line. Nested tables are fields that are such classes.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from codesuggest.errors import ConfigError

__all__ = ["STRICT", "read_settings"]

STRICT: dict[str, Any] = {"extra": "forbid", "strict": True, "allow_inf_nan": False}
_T = TypeVar("_T")


def read_settings(path: str | Path | None, table: str, kind: type[_T]) -> _T:
    """Read one table of a TOML file.

    Parameters
    ----------
    path : str, Path or None
        None gives the defaults.
    table : str
        Name of the table, such as ``"desk"``; the defaults when the file has none.
    kind : type
        A frozen dataclass.

    Raises
    ------
    ConfigError
        CS353 when the file cannot be read or is not TOML; CS354 when a key is unknown or a value has the wrong type or range.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Limits:
    ...     __pydantic_config__ = STRICT
    ...     n_notes: int = 5
    >>> read_settings(None, "limits", Limits)
    Limits(n_notes=5)
    """
    if path is None:
        return kind()
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "CS353", f"The settings {str(path)!r} cannot be read. Expected a TOML file in UTF-8. Check the path."
        ) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            "CS353", f"The settings {str(path)!r} are not TOML: {error}. Expected TOML. Correct the line."
        ) from error
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_json(json.dumps(data.get(table, {}), default=str))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = ".".join([table, *map(str, first["loc"])])
        known = first["type"] == "unexpected_keyword_argument"
        problem = "is not known" if known else f"is {str(first['input'])[:40]!r}: {first['msg']}"
        raise ConfigError(
            "CS354",
            f"The setting {name!r} {problem}. Expected the names and types of the documentation. Correct {Path(path).name!r}.",
        ) from error
