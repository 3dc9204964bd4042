"""The four steps as spaCy factories.

spaCy imports this module through the package's entry points when a pipeline is made, so nothing has to be imported by hand::

    nlp = spacy.blank("en")
    nlp.add_pipe("codesuggest_sections")

It stands apart from :mod:`codesuggest.extract.pipeline` so that the library itself starts without spaCy.
"""

from __future__ import annotations

from collections.abc import Callable

from spacy.language import Language
from spacy.tokens import Doc

from codesuggest.extract import pipeline

__all__ = ["make_assertion", "make_sections", "make_sentences", "make_terms"]


@Language.factory("codesuggest_sections", assigns=["doc.spans"])
def make_sections(nlp: Language, name: str) -> Callable[[Doc], Doc]:
    """Make the component that finds the sections: ``doc.spans["codesuggest_sections"]``."""
    return pipeline.make_sections(nlp, name)


@Language.factory("codesuggest_sentences", assigns=["doc.spans"], requires=["doc.spans"])
def make_sentences(nlp: Language, name: str) -> Callable[[Doc], Doc]:
    """Make the component that finds the sentences: ``doc.spans["codesuggest_sentences"]``."""
    return pipeline.make_sentences(nlp, name)


@Language.factory("codesuggest_terms", default_config={"model": None}, assigns=["doc.spans"], requires=["doc.spans"])
def make_terms(nlp: Language, name: str, model: str | None) -> Callable[[Doc], Doc]:
    """Make the component that finds the terms: ``doc.spans["codesuggest_terms"]``, labelled with the code."""
    return pipeline.make_terms(nlp, name, model)


@Language.factory("codesuggest_assertion", default_config={"model": None}, requires=["doc.spans"])
def make_assertion(nlp: Language, name: str, model: str | None) -> Callable[[Doc], Doc]:
    """Make the component that decides assertion: ``span._.codesuggest_mention`` of each term."""
    return pipeline.make_assertion(nlp, name, model)
