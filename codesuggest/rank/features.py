"""The features of a candidate code: one table of names and meanings, and the function that fills it.

All features say something about how the note speaks of the code, so that they carry from one hospital to another. None
names a code. Values are unitless; flags are 0 or 1, counts are logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codesuggest.extract.convert import Extraction
from codesuggest.rank.candidates import Candidate, infer_setting
from codesuggest.records import Mention, Note

__all__ = ["FEATURES", "FEATURE_NAMES", "SOFT_CUES", "NoteView", "featurize"]

_GROUPS: dict[str, str] = {
    "discharge_diagnosis": "diagnosis",
    "assessment": "assessment",
    "assessment_plan": "assessment",
    "plan": "plan",
    "problem_list": "problem_list",
    "admission_diagnosis": "admission",
    "hospital_course": "course",
    "hpi": "hpi",
    "chief_complaint": "complaint",
    "pmh": "pmh",
    "psh": "pmh",
    "ros": "ros",
    "exam": "exam",
    "vitals": "exam",
    "labs": "tests",
    "imaging": "tests",
    "procedures": "procedures",
    "medications": "medications",
    "allergies": "medications",
    "social_history": "social",
    "family_history": "family",
    "instructions": "instructions",
    "other": "other",
}
_ORDER = (
    "diagnosis", "assessment", "plan", "problem_list", "course", "hpi", "complaint", "pmh", "admission", "procedures",
    "social", "tests", "exam", "medications", "ros", "family", "instructions", "other",
)  # fmt: skip
_KINDS = ("diagnosis", "symptom", "status", "history", "family", "encounter", "social", "external", "finding", "procedure")

# Classes of codes that coders treat alike (guidelines I.C.18 to I.C.21, III, IV.I and IV.J), by prefix.
_CLASSES: dict[str, tuple[str, tuple[str, ...]]] = {
    "chronic": (
        "chronic systemic disease, coded whenever it is documented (guideline IV.J, III)",
        tuple(
            "B18 B20 D57 D66 D67 D68.5 D80 D81 D82 D83 D84 E03 E08 E09 E10 E11 E13 E21 E22 E23 E24 E26 E27 E66 E70 E71 E72 E75 E78 E84 E85 "
            "F01 F02 F03 F10.2 F11.2 F17.2 F20 F25 F31 F33 F70 F71 F72 F84 G10 G12 G20 G30 G31 G35 G40 G47.3 G70 G71 G80 G81 G82 "
            "I10 I11 I12 I13 I25 I27 I42 I48 I50 I69 I70 I73.9 J41 J42 J43 J44 J45 J47 J84 K50 K51 K70.3 K74 K86.1 L40.5 M05 M06 M08 M32 M34 "
            "M35 M45 M81 N18 N40 Q90".split()
        ),
    ),
    "neoplasm": ("malignant neoplasm", ("C",)),
    "organism": ("organism as the cause of a disease classified elsewhere", ("B95", "B96", "B97")),
    "injury": ("injury", (*(f"S{d}" for d in range(10)), "T0", "T1", "T2", "T3")),
    "drug_effect": ("poisoning, adverse effect or underdosing", ("T36", "T37", "T38", "T39", "T4", "T50")),
    "place": ("place, activity or status of an external cause", ("Y92", "Y93", "Y99")),
    "cause": ("external cause of an injury", ("V", "W", "X", "Y0", "Y1", "Y2", "Y3", "Y83", "Y84")),
    "long_term_drug": ("long-term drug therapy", ("Z79",)),
    "device": ("device, transplant, amputation or other organ status", ("Z89", "Z9")),
    "body_mass": ("body mass index", ("Z68",)),
    "code_status": ("do not resuscitate, palliative care", ("Z66", "Z51.5")),
    "noncompliance": ("noncompliance and underdosing", ("Z91.1",)),
    "past": ("personal history", ("Z85", "Z86", "Z87")),
    "allergy": ("allergy status", ("Z88", "Z91.0")),
    "pregnancy": ("pregnancy, childbirth and the puerperium", ("O",)),
    "pain": ("pain", ("M25.5", "M54", "M79.6", "R10", "R07", "R51", "R52", "G89")),
    "vaccination": ("immunization given", ("Z23",)),
    "screening": ("screening", ("Z11", "Z12", "Z13")),
    "circumstances": ("work, family, stress and the like", ("Z56", "Z60", "Z63", "Z64", "Z65", "Z73")),
    "tobacco": ("tobacco use and dependence", ("F17", "Z72.0", "Z87.891")),
}

FEATURES: dict[str, str] = {
    **{f"class_{k}": text for k, (text, _) in _CLASSES.items()},
    **{
        f"class_{k}_heading": f"{text}, named as a problem"
        for k, (text, _) in _CLASSES.items()
        if k in ("chronic", "neoplasm", "injury", "pain")
    },
    **{
        f"class_{k}_unheaded": f"{text}, mentioned only outside assessment and diagnosis lists"
        for k, (text, _) in _CLASSES.items()
    },
    "heading": "named as a problem in an assessment, plan or diagnosis list",
    **{f"in_{g}": f"has a standing mention in the part: {g}" for g in _ORDER},
    "only_peripheral": "all standing mentions are in review of systems, examination, tests, medications or instructions",
    "only_pmh": "all standing mentions are in past history",
    "only_narrative": "all standing mentions are in the history or complaint, although the note has an assessment",
    "no_assessment_part": "the note has no assessment, plan or diagnosis list",
    "no_assessment_hpi": "mentioned in the narrative of a note without assessment",
    "log_mentions": "log(1 + standing mentions)",
    "quality": "best agreement of the note's words with the lexicon's (0 to 1)",
    "share_absent": "share of all mentions of the same category that are negated",
    "only_possible": "every standing mention is uncertain",
    "only_possible_inpatient": "every standing mention is uncertain, inpatient stay (guidelines II.H, III.C)",
    "soft_possible": "the uncertainty is 'consistent with', 'likely' or 'suggestive of'",
    "only_historical": "every standing mention is historical",
    **{f"kind_{k}": f"kind of the term: {k}" for k in _KINDS},
    **{
        f"{k}_heading": f"{k} named as a problem"
        for k in ("symptom", "status", "finding", "diagnosis", "history", "social", "external")
    },
    **{f"{k}_pmh": f"{k} only in past history" for k in ("diagnosis", "symptom", "status", "history")},
    **{
        f"{k}_narrative": f"{k} only in history or complaint"
        for k in ("diagnosis", "symptom", "status", "external", "social", "finding")
    },
    **{
        f"{k}_inpatient": f"{k} in an inpatient stay"
        for k in ("diagnosis", "symptom", "status", "history", "social", "finding", "family", "procedure", "encounter")
    },
    "official_only": "found only by an official title or inclusion term",
    "words": "words of the longest term that was found, at most 6, divided by 6",
    "single_word": "found only by terms of one word",
    "combination": "a combination code of several documented conditions",
    "from_history": "a history code made from 'history of' and a condition",
    "from_family": "a family-history code made from a relative's condition",
    "integral": "sign or symptom integral to a confirmed diagnosis (guideline I.B.5)",
    "integral_heading": "the same, but listed as a problem",
    "specific_words": "words of the note that led to the specific code, at most 4, divided by 4",
    "is_default": "an unspecified code that stands because nothing more is said, although more specific ones exist",
    "narrow_choice": "score lead over the next code under the header, at most 1",
    "unmatched": "words of the title that the note lacks, at most 4, divided by 4",
    "siblings": "log(1 + other candidates of the same category)",
    "log_headings": "log(1 + problems named in the note)",
    "symptom_without_diagnosis": "a symptom in a note where no diagnosis is named as a problem",
    "symptom_beside_diagnosis_in_block": "a symptom in the problem block of a named diagnosis",
    "first_problem": "belongs to the first problem named",
    "heading_exact": "the problem's name is nearly nothing but this term",
    "cause_of_injury": "an external cause, and the note assesses an injury, a poisoning or a toxic effect",
    "symptom_heading_alone": "a symptom named as a problem that belongs to no confirmed diagnosis (guideline IV.D)",
    "required_beside": "a code that the Tabular List asks for beside another code of the note (use additional code)",
    "drug_support": "a drug of the note supports the condition",
    "is_chronic_list": "in past history and again in assessment or course",
    "note_words": "log of the number of words of the note, divided by 10",
}
FEATURE_NAMES: tuple[str, ...] = tuple(FEATURES)
_COLUMN = {name: i for i, name in enumerate(FEATURE_NAMES)}
# Words that lean towards the diagnosis; the others only raise it.
SOFT_CUES = frozenset(
    {
        "consistent with",
        "likely",
        "suggestive of",
        "most likely",
        "c/w",
        "suggests",
        "suggesting",
        "likely represents",
        "favor",
        "in keeping with",
        "probable",
        "compatible with",
        "presumed",
    }
)
# "Use additional code" notes of the Tabular List: the code that asks, and what it asks for.
_ASKS_FOR: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("I11.0", ("I50",)),
    ("I12", ("N18",)),
    ("I13", ("I50", "N18")),
    *((f"E{n}.22", ("N18",)) for n in ("08", "09", "10", "11", "13")),
    *((f"E{n}.621", ("L97",)) for n in ("08", "09", "10", "11", "13")),
    ("N40.1", ("R33", "R35", "R39.1", "N39.4")),
)
_PERIPHERAL = frozenset({"ros", "exam", "tests", "medications", "instructions", "family", "other"})


@dataclass(frozen=True, slots=True)
class NoteView:
    """What the features of all candidates of one note share."""

    inpatient: bool
    has_assessment: bool
    heading_blocks: tuple[int, ...]
    diagnosis_headings: frozenset[int]
    absent: Mapping[str, int]
    drugs: frozenset[str]
    category: Mapping[str, int]
    heading_size: Mapping[int, int]
    n_words: float
    is_injury: bool
    required: tuple[str, ...]

    @classmethod
    def of(cls, note: Note, extraction: Extraction, candidates: Sequence[Candidate]) -> NoteView:
        """Look at a note once."""
        mentions = extraction.mentions
        names = {s.name for s in extraction.sections}
        absent: dict[str, int] = {}
        drugs: set[str] = set()
        for m in mentions:
            if m.kind == "drug":
                drugs.add(m.code[:3])
            elif m.assertion == "absent":
                absent[m.code[:3]] = absent.get(m.code[:3], 0) + 1
        category: dict[str, int] = {}
        for c in candidates:
            category[c.code[:3]] = category.get(c.code[:3], 0) + 1
        return cls(
            infer_setting(note, names) == "inpatient",
            bool(names & {"assessment", "assessment_plan", "plan", "discharge_diagnosis"}),
            tuple(sorted({m.block for m in mentions if m.is_heading})),
            frozenset(
                m.block for m in mentions if m.is_heading and m.kind == "diagnosis" and m.assertion in ("present", "possible")
            ),
            absent,
            frozenset(drugs),
            category,
            _heading_sizes(extraction),
            math.log1p(len(extraction.tokens)) / 10,
            any(c.code[0] in "ST" and _is_assessed(c, mentions) for c in candidates),
            tuple([p for c in candidates for code, asked in _ASKS_FOR if c.code.startswith(code) for p in asked]),
        )


def featurize(
    note: Note, extraction: Extraction, candidates: Sequence[Candidate], view: NoteView | None = None
) -> NDArray[np.float64]:
    """Fill the table for the candidates of one note.

    Parameters
    ----------
    note : Note
    extraction : Extraction
    candidates : sequence of Candidate
    view : NoteView, optional
        What was seen of the note already, with all its candidates.

    Returns
    -------
    float array of shape (n_candidates, n_features)
        Columns in the order of :data:`FEATURE_NAMES`.
    """
    mentions, token_spans = extraction.mentions, extraction.token_spans
    view = view or NoteView.of(note, extraction, candidates)
    inpatient, has_assessment = view.inpatient, view.has_assessment
    heading_blocks, diagnosis_headings = view.heading_blocks, view.diagnosis_headings
    n_headings = math.log1p(len(heading_blocks))
    column = _COLUMN
    rows: list[int] = []
    columns: list[int] = []
    cells: list[float] = []
    for row, candidate in enumerate(candidates):
        own = [mentions[i] for i in candidate.mentions]
        category = candidate.code[:3]
        headings = [m for m in own if m.is_heading]
        parts = _of_parts(frozenset([m.section for m in own]), has_assessment)
        kind = _kind(candidate, own)
        values = dict(parts.values)  # only what is not zero is filled in
        if headings:
            values["heading"] = 1.0
        for name in _of_class(candidate.code, parts.unheaded, bool(headings)):
            values[name] = 1.0
        values["log_mentions"] = math.log1p(len({(m.span.start, m.span.end) for m in own}) if len(own) > 1 else 1)
        values["quality"] = max([m.quality for m in own])
        n_absent = view.absent.get(category, 0)
        if n_absent:
            values["share_absent"] = n_absent / (n_absent + len(own))
        assertions = {m.assertion for m in own}
        if assertions == {"possible"}:
            values["only_possible"] = 1.0
            if inpatient:
                values["only_possible_inpatient"] = 1.0
            if any(extraction.cue_words[i] in SOFT_CUES for i in candidate.mentions):
                values["soft_possible"] = 1.0
        elif assertions == {"historical"} and not candidate.is_current:
            values["only_historical"] = 1.0
        values[f"kind_{kind}"] = 1.0
        if headings and f"{kind}_heading" in column:
            values[f"{kind}_heading"] = 1.0
        if parts.only_pmh and f"{kind}_pmh" in column:
            values[f"{kind}_pmh"] = 1.0
        if parts.only_narrative and f"{kind}_narrative" in column:
            values[f"{kind}_narrative"] = 1.0
        if inpatient and f"{kind}_inpatient" in column:
            values[f"{kind}_inpatient"] = 1.0
        if all([m.source == "title" for m in own]):
            values["official_only"] = 1.0
        longest = max([len(token_spans[i]) for i in candidate.mentions])
        values["words"] = min(longest, 6) / 6
        if longest == 1:
            values["single_word"] = 1.0
        if candidate.origin != "mention":
            values["combination" if candidate.origin == "combination" else f"from_{candidate.origin}"] = 1.0
        if candidate.integral_to:
            values["integral_heading" if headings else "integral"] = 1.0
        choice = candidate.choice
        if choice is None or choice.n_options == 1:
            values["narrow_choice"] = 1.0
        else:
            values["narrow_choice"] = max(0.0, min(choice.score - choice.runner_up, 1.0))
            if choice.is_default and choice.is_plain and candidate.code[0] != "R":
                values["is_default"] = 1.0
        if choice is not None:
            values["specific_words"] = min(len(choice.matched), 4) / 4
            values["unmatched"] = min(choice.unmatched, 4) / 4
        values["siblings"] = math.log1p(view.category[category] - 1)
        values["log_headings"] = n_headings
        if view.required and candidate.code.startswith(view.required):
            values["required_beside"] = 1.0
        if kind in ("symptom", "finding"):
            if headings and not candidate.integral_to:
                values["symptom_heading_alone"] = 1.0
            if not diagnosis_headings:
                values["symptom_without_diagnosis"] = 1.0
            elif not headings and any(m.block in diagnosis_headings for m in own):
                values["symptom_beside_diagnosis_in_block"] = 1.0
        if heading_blocks and any(m.block == heading_blocks[0] for m in own):
            values["first_problem"] = 1.0
        if headings:
            values["heading_exact"] = max(
                min(1.0, len(token_spans[i]) / max(1, view.heading_size.get(mentions[i].block, 1)))
                for i in candidate.mentions
                if mentions[i].is_heading
            )
        if view.is_injury and category[0] in "VWXY":
            values["cause_of_injury"] = 1.0
        if category in view.drugs:
            values["drug_support"] = 1.0
        values["note_words"] = view.n_words
        rows.extend([row] * len(values))
        columns.extend([column[name] for name in values])
        cells.extend(values.values())
    X = np.zeros((len(candidates), len(FEATURE_NAMES)))
    X[rows, columns] = cells
    return X


@dataclass(frozen=True, slots=True)
class _Parts:
    """What follows from the parts of the note in which a code is mentioned."""

    values: Mapping[str, float]
    unheaded: bool
    only_pmh: bool
    only_narrative: bool


@lru_cache(maxsize=1024)
def _of_parts(sections: frozenset[str], has_assessment: bool) -> _Parts:
    groups = {_GROUPS.get(section, "other") for section in sections}
    is_told = bool(groups & {"hpi", "complaint"})
    only_narrative = has_assessment and is_told and groups <= {"hpi", "complaint", "course", "other", "ros", "exam"}
    only_pmh = "pmh" in groups and groups <= {"pmh", "problem_list", "medications"}
    flags = {
        **{f"in_{g}": True for g in sorted(groups)},
        "only_peripheral": groups <= _PERIPHERAL,
        "only_pmh": only_pmh,
        "only_narrative": only_narrative,
        "no_assessment_part": not has_assessment,
        "no_assessment_hpi": not has_assessment and bool(groups & {"hpi", "complaint", "other"}),
        "is_chronic_list": "pmh" in groups and bool(groups & {"assessment", "plan", "course", "diagnosis"}),
    }
    return _Parts(
        {name: 1.0 for name, holds in flags.items() if holds},
        not groups & {"diagnosis", "assessment", "plan", "problem_list", "course"},
        only_pmh,
        only_narrative,
    )


@lru_cache(maxsize=2048)
def _of_class(code: str, unheaded: bool, is_heading: bool) -> tuple[str, ...]:
    found = []
    for name in classes_of(code):
        found.append(f"class_{name}")
        if unheaded:
            found.append(f"class_{name}_unheaded")
        if is_heading and f"class_{name}_heading" in _COLUMN:
            found.append(f"class_{name}_heading")
    return tuple(found)


def classes_of(code: str) -> tuple[str, ...]:
    """Return the classes a code belongs to.

    Examples
    --------
    >>> classes_of("E11.9"), classes_of("Z79.4")
    (('chronic',), ('long_term_drug',))
    """
    return tuple(name for name, (_, prefixes) in _CLASSES.items() if code.startswith(prefixes))


def _is_assessed(candidate: Candidate, mentions: Sequence[Mention]) -> bool:
    """Whether a code stands where problems are assessed."""
    return any(
        mentions[i].assertion == "present" and _GROUPS.get(mentions[i].section) in ("diagnosis", "assessment", "plan")
        for i in candidate.mentions
    )


def _kind(candidate: Candidate, own: list[Mention]) -> str:
    if candidate.origin in ("history", "family"):
        return candidate.origin
    if candidate.origin == "combination":
        return "diagnosis"
    if len(own) == 1:
        return own[0].kind
    kinds = [m.kind for m in own]
    return max(sorted(set(kinds)), key=kinds.count)


def _heading_sizes(extraction: Extraction) -> dict[int, int]:
    """Count the words of each problem's name, by block."""
    named = (extraction.layout.heading == 1) & (extraction.numbers.ids != -2)
    return {block: size for block, size in enumerate(np.bincount(extraction.layout.block[named]).tolist()) if size}
