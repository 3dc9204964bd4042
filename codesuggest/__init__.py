"""Medical codes from a physician's note, each with the exact words that support it.

>>> import codesuggest as cs
>>> result = cs.load().suggest(cs.Note("n1", "Assessment: acute on chronic systolic heart failure."))
>>> result.suggestions[0].code, result.suggestions[0].evidence[0].excerpt
('I50.23', 'acute on chronic systolic heart failure')
"""

__version__ = "0.1.0"

from typing import TYPE_CHECKING as _TYPE_CHECKING

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

if _TYPE_CHECKING:
    from codesuggest.batch import score
    from codesuggest.decisions import DecisionLog
    from codesuggest.edits import Claim, check, check_result
    from codesuggest.learn.retraining import retrain
    from codesuggest.queries.linter import lint_query
    from codesuggest.querying import find_queries

__all__ = [
    "BundleError",
    "Claim",
    "CodesuggestError",
    "Decision",
    "DecisionLog",
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
    "check",
    "check_result",
    "find_queries",
    "lint_query",
    "load",
    "retrain",
    "score",
]

# Parts that cost time to import come when they are first asked for.
_LATER = {
    "Claim": "codesuggest.edits",
    "DecisionLog": "codesuggest.decisions",
    "retrain": "codesuggest.learn.retraining",
    "check": "codesuggest.edits",
    "check_result": "codesuggest.edits",
    "find_queries": "codesuggest.querying",
    "lint_query": "codesuggest.queries.linter",
    "score": "codesuggest.batch",
}


def __getattr__(name: str) -> object:
    """Import a part when it is first asked for."""
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)
