"""Medical codes from a physician's note, each with the exact words that support it.

>>> import codesuggest as cs
>>> result = cs.load().suggest(cs.Note("n1", "Assessment: acute on chronic systolic heart failure."))
>>> result.suggestions[0].code, result.suggestions[0].evidence[0].excerpt
('I50.23', 'acute on chronic systolic heart failure')
"""

__version__ = "0.1.0"

from typing import TYPE_CHECKING

from codesuggest.errors import (
    BundleError,
    CodesuggestError,
    InvalidCodeError,
    InvalidNoteError,
    NoReleaseError,
    UnknownCodeError,
)
from codesuggest.records import (
    Decision,
    Evidence,
    Failure,
    Finding,
    Mention,
    Note,
    Query,
    Result,
    Section,
    Span,
    Suggestion,
    Suppressed,
)
from codesuggest.suggester import Suggester, load

if TYPE_CHECKING:
    from codesuggest.batch import score

__all__ = [
    "BundleError",
    "CodesuggestError",
    "Decision",
    "Evidence",
    "Failure",
    "Finding",
    "InvalidCodeError",
    "InvalidNoteError",
    "Mention",
    "NoReleaseError",
    "Note",
    "Query",
    "Result",
    "Section",
    "Span",
    "Suggester",
    "Suggestion",
    "Suppressed",
    "UnknownCodeError",
    "__version__",
    "load",
    "score",
]


def __getattr__(name: str) -> object:
    """Import batch scoring when it is first asked for."""
    if name == "score":
        from codesuggest.batch import score

        return score
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
