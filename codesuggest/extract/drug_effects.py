"""Adverse effects and underdosing of drugs, as prose tells them: "thiazide-induced hyponatremia", "ran out of her insulin".

An adverse effect needs words of cause beside the drug; underdosing needs words of taking less than prescribed in the same
sentence. Both go beside the condition that results (guideline I.C.19.e.5). Which drug stands where is in
``patterns/drug_effects.tsv``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources

from codesuggest.extract.measures import Measure
from codesuggest.extract.sentences import Layout
from codesuggest.extract.tokens import Tokens
from codesuggest.extract.words import MEDICINE

__all__ = ["find_drug_effects"]

# Words of cause after the drug ("statin-induced") and before it ("due to prednisone").
_AFTER = frozenset({"induced", "related", "associated", "toxicity", "triggered", "exacerbated"})
_CAUSE = re.compile(
    r"(?:due to|secondary to|caused by|from|2 / 2|adverse effects? of|adverse reaction to|side effects? of|side effect from|reaction to|"
    r"because of|attributed to|effect of|precipitated by|provoked by|induced by|related to|owing to)"
    r"(?: (?:the|her|his|their|a|an|high dose|high - dose|oral|iv|recent|long - term|chronic|new|starting|use of|excess|initiation of))*$"
)
_LESS = re.compile(
    r"\b(?:ran out of|run out of|running out of|stopped (?:taking|the|her|his|using)|has not (?:been taking|taken)|"
    r"had not (?:been taking|taken)|not (?:been )?taking|quit taking|self - discontinued|ration(?:ing|ed)|skipp(?:ing|ed)|omission|omitted|"
    r"missed (?:\w+ ){0,3}doses?|missing doses|non ?- ?(?:adheren|complian)\w+ with|nonadheren\w+|noncomplian\w+|taking half|"
    r"cut (?:it|the dose|her dose|his dose) (?:in half|to)|could not afford|couldn ' t afford|unable to afford|"
    r"without (?:her|his|their) (?:medications?|insulin|meds)|off (?:her|his|their) (?:medications?|insulin|meds))\b"
)
_MONEY = re.compile(
    r"\b(?:afford\w*|cost\w*|expens\w+|money|insurance|copay|co - pay|financial\w*|price|payday|coverage|paycheck)\b"
)
_FORGOT = re.compile(r"\b(?:forg[eo]t\w*|confus\w+|misunderst\w+|did not realize|memory|dementia|by mistake|accidentally)\b")
_NOT_PATIENT = frozenset({"allergies", "family_history", "instructions"})
_ANY_MEDICINE = frozenset("medication medications meds medicine medicines pills inhaler inhalers antihypertensives".split())
_WINDOW = 9


@lru_cache(maxsize=1)
def medicines() -> dict[str, str]:
    """Read the table: drug to the place of its codes; any other word for a medicine to an empty text."""
    text = resources.files("codesuggest.extract.patterns").joinpath("drug_effects.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith(("#", "prefix\t"))]
    return {**dict.fromkeys(_ANY_MEDICINE, ""), **{name: prefix for prefix, names in rows for name in names.split()}}


def find_drug_effects(tokens: Tokens, lowers: Sequence[str], layout: Layout, section_names: Sequence[str]) -> Iterator[Measure]:
    """Find adverse effects and underdosing in a note.

    Parameters
    ----------
    tokens : Tokens
    lowers : sequence of str, length n_tokens
    layout : Layout
    section_names : sequence of str
        Name of each section, by its index.

    Yields
    ------
    Measure
        Of kind "diagnosis"; the code with the seventh character A. Which of them stand is decided with the candidates.

    References
    ----------
    Official Guidelines I.C.19.e.5 (a) adverse effect, (c) underdosing.
    """
    drugs = medicines()
    edges, sentence, section = layout.edges("sentence"), layout.list_of("sentence"), layout.list_of("section")
    said: set[int] = set()
    sentences: dict[tuple[int, int], tuple[str, re.Match[str] | None]] = {}
    for i in tokens.places(MEDICINE, drugs):
        low = lowers[i]
        prefix = drugs[low]
        medicine = low in _ANY_MEDICINE
        if section_names[section[i]] in _NOT_PATIENT:
            continue
        own = sentence[i]
        a, b = max(edges[own], i - 60), min(edges[own + 1], i + 60)
        if prefix:
            after = lowers[i + 1 : min(b, i + 4)]
            end = 0
            if after[:1] and after[0] in _AFTER:
                end = i + 1
            elif len(after) > 1 and after[0] == "-" and after[1] in _AFTER:
                end = i + 2
            if end:
                yield _measure(tokens, i, end, f"{prefix}5", "adverse effect")
                continue
            before = " ".join(lowers[max(a, i - _WINDOW) : i])
            omitted = i + 1 < b and lowers[i + 1] in ("omission", "rationing", "noncompliance", "nonadherence")
            if not omitted and _CAUSE.search(before):
                yield _measure(tokens, i, i, f"{prefix}5", "adverse effect")
                continue
        if (a, b) not in sentences:
            joined = " ".join(lowers[a:b])
            sentences[a, b] = joined, _LESS.search(joined)
        joined, m = sentences[a, b]
        if m is None or (a in said and medicine):
            continue
        words_before = joined[: m.start()].count(" ")
        words_in = m.group(0).count(" ")
        first, last = a + words_before, a + words_before + words_in
        if not (first - 6 <= i <= last + _WINDOW):
            continue
        if prefix:
            yield _measure(tokens, min(i, first), max(i, last), f"{prefix}6", "underdosing")
        if a not in said:
            said.add(a)
            if _MONEY.search(joined):
                code = "Z91.120"
            elif _FORGOT.search(joined):
                code = "Z91.138"
            else:
                code = "Z91.128" if prefix else "Z91.148"
            yield _measure(tokens, first, last, code, "underdosing")


def _measure(tokens: Tokens, first: int, last: int, code: str, term: str) -> Measure:
    if code[0] == "T":
        body = code.replace(".", "")
        code = f"{code}A" if len(body) == 6 else code
        return Measure(tokens.starts[first], tokens.ends[last], code, "diagnosis", term)
    return Measure(tokens.starts[first], tokens.ends[last], code, "status", term)
