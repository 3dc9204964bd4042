"""Exceptions of the library.

Every message has four parts: what is wrong, the value received, what was expected, what to do. It never holds note
text. Ids (``CS101`` …) are stable and never reused, so they can be searched for and counted.

==========  =====================================================
ids         raised by
==========  =====================================================
CS100–149   codes: formats, releases, official files
CS150–199   notes and records
CS200–249   extract
CS250–299   rank
CS300–349   model folders
CS350–399   configuration and the command line
CS400–449   edits
CS450–499   queries
CS500–549   decisions and learning
CS550–599   batch scoring
CS600–699   desk, API, claims
CS700–719   versions of a model
CS720–739   audit and reports
==========  =====================================================
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "CodesuggestError",
    "CodesuggestWarning",
    "ConfigError",
    "DecisionConflictError",
    "InputFormatError",
    "InvalidCodeError",
    "InvalidNoteError",
    "InvalidSpanError",
    "NoReleaseError",
    "PrerequisiteError",
    "UnknownCodeError",
]


class CodesuggestError(Exception):
    """Base of every error the library raises on purpose.

    Parameters
    ----------
    error_id : str
        Stable id such as ``"CS101"``.
    message : str
        What is wrong, what was received, what was expected, what to do. Never note text.

    Attributes
    ----------
    exit_code : int
        What a command exits with.
    status : int
        What the HTTP API answers with.

    Examples
    --------
    >>> str(InvalidNoteError("CS150", "The note is empty."))
    '[CS150] The note is empty.'
    """

    exit_code = 4
    status = 500

    def __init__(self, error_id: str, message: str) -> None:
        super().__init__(error_id, message)
        self.error_id = error_id
        self.message = message

    def __str__(self) -> str:
        return f"[{self.error_id}] {self.message}"


class CodesuggestWarning(UserWarning):
    """Something the caller should know, said once a call."""


class InvalidCodeError(CodesuggestError, ValueError):
    """A code text has not the format of its code system."""

    exit_code = 2
    status = 422


class InvalidSpanError(CodesuggestError, ValueError):
    """Offsets outside the text, or not in order."""

    exit_code = 2
    status = 422


class InvalidNoteError(CodesuggestError, ValueError):
    """A note that cannot be read as text."""

    exit_code = 2
    status = 422


class InputFormatError(CodesuggestError, ValueError):
    """A file that is not what it was said to be."""

    exit_code = 2
    status = 422


class ConfigError(CodesuggestError, ValueError):
    """A setting that is unknown or out of range."""

    exit_code = 2
    status = 422


class UnknownCodeError(CodesuggestError, LookupError):
    """A well-formed code that the release does not hold."""

    exit_code = 3
    status = 404

    __str__ = CodesuggestError.__str__


class NoReleaseError(CodesuggestError, LookupError):
    """No release of the code system is in force on the date."""

    exit_code = 3
    status = 404

    __str__ = CodesuggestError.__str__


class PrerequisiteError(CodesuggestError, RuntimeError):
    """A step ran without what it needs (for example sentence boundaries, or an extra that is not installed)."""

    exit_code = 4
    status = 500


class BundleError(CodesuggestError, RuntimeError):
    """A model or release folder is damaged, incomplete, or of another version."""

    exit_code = 4
    status = 500


class DecisionConflictError(CodesuggestError, RuntimeError):
    """The code was already decided at this stage."""

    exit_code = 5
    status = 409
