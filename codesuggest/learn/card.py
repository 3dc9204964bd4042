"""The card of a learned model: what it was taken from, how well it did on notes held out, what it cannot do. No words of notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codesuggest.learn.learned_model import LearnedModel

__all__ = ["card"]


def card(model: LearnedModel) -> str:
    """Return the card as Markdown."""
    facts = model.facts
    lines = [
        f"# {model.name}",
        "",
        f"Suggests {model.system} codes ({model.release.name}) for notes in `{model.language}`.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {key.replace('_', ' ')} | {value} |" for key, value in sorted(facts.items())),
        "",
    ]
    if not facts.get("evidence"):
        lines += [
            "No decision had evidence. The model knows which codes go with which words of a note, not which words a coder would mark:",
            "its ranking is weaker, and so is the evidence it shows.",
            "",
        ]
    lines += [
        "`held out f1` is that of the codes put forward in encounters that neither the knowledge nor the ranker was fitted to.",
        "",
        "## Words of notes in this folder",
        "",
        "`learned/forms.txt` holds the stems of surface forms: words that a coder confirmed as evidence; for codes without evidence,",
        "words that stand with the code in two notes or more; and titles. Left out are forms with dates, numbers of five digits or",
        "more, addresses, and names (words written with a capital letter inside a sentence that stand in the notes of a single",
        "encounter and in no title). Everything else taken from notes is counts and weights of hashed words; n-grams are kept from",
        "two notes on.",
        "",
    ]
    return "\n".join(lines)
