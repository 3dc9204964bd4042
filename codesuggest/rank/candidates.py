"""Mentions become candidate billable codes.

In order: each mention is settled (present, historical, someone else's …) and made as specific as the note allows;
combination codes replace their parts (guidelines I.B.9, I.A.15); a less specific code steps back behind a more specific
one of the same header; signs and symptoms integral to a confirmed diagnosis step back (I.B.4 to I.B.6).
What is left out is kept with the reason.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from codesuggest.codes import Release
from codesuggest.extract.convert import Extraction
from codesuggest.rank.rules.tables import Rules
from codesuggest.rank.specificity import Choice, SpecificityTable, with_seventh
from codesuggest.records import Mention, Note

__all__ = ["Candidate", "CandidateFinder", "LeftOut", "infer_setting"]

_NOT_PRESENT = frozenset({"absent", "hypothetical", "conditional", "someone_else"})
_ALWAYS_STANDING = frozenset({"status", "encounter", "social", "history", "family", "procedure", "external"})
_SEVERAL = frozenset({"ribs", "fractures", "several", "joints", "sites"})
_STAGES = {"mild": "1", "moderate": "2", "severe": "3", "indeterminate": "4"}
_TODAY = frozenset({"today", "yesterday", "tonight"})
_EYES = {"right": "1", "left": "2", "bilateral": "3"}
_FOLLOW_UP = (
    "follow-up", "followup", "postop", "postoperative", "healing", "healed", "recheck", "aftercare", "removal", "subsequent",
)  # fmt: skip
_SITE_LIMIT = 3
_PAST_CUES = re.compile(
    r"\b(?:history|hx|h/o|ho|previous|previously|prior|remote|distant|ago|past|childhood|child|teenager|infant|"
    r"s/p|sp|status post|old|former|formerly|used to|survivor)\b"
)


def _is_past(cue: str) -> bool:
    """Whether a cue puts a condition into the past; "resolved" says only that it ended, perhaps during this stay."""
    return _PAST_CUES.search(cue) is not None


_SIDE_FORMS = {
    "bilaterally": "bilateral",
    "bilat": "bilateral",
    "both": "bilateral",
    "ou": "bilateral",
    "os": "left",
    "od": "right",
    "lt": "left",
    "rt": "right",
    "l": "L",
    "r": "R",
}
_NUMBERS = frozenset("1 2 3 4 5 i ii iii iv v 1a 1b 2a 2b 3a 3b 3c 4a 4b first second third fourth".split())
_GRADED = frozenset("stage stages stg grade gr degree class category gustilo aast level".split())
_TREATED = re.compile(
    r"\b(?:s ?/ ?p|status post|treated|lumpectomy|mastectomy|prostatectomy|colectomy|nephrectomy|resect\w+|excis\w+|remission|ned|"
    r"no evidence of (?:disease|recurrence)|no recurrence|without recurrence|disease[ -]free|completed|cured|survivor|post (?:radiation|surgery))\b"
)
_ACTIVE = re.compile(
    r"\b(?:metasta\w+|active|currently|current|undergoing|receiving|cycle|recurrent|progress\w+|newly|new|ongoing|stage iv|stage 4|"
    r"palliative|on (?:chemo\w*|letrozole|anastrozole|tamoxifen|exemestane|abiraterone|enzalutamide|leuprolide|imatinib))\b"
)
_DENIERS = frozenset({"without", "w/o", "no", "not"})
_NOTED = _DENIERS | _SIDE_FORMS.keys()
_DIABETES = ("E08", "E09", "E10", "E13")
_TYPE_TWO = re.compile(r"\b(?:2|ii|two|t2dm|dm2|dmii|niddm|t2)\b")
# Chapters in which a seventh character is no extension: a final code of theirs stands as it is (Z86.0101, L98.A311).
_WHOLE = frozenset("ACDFGJKLNQRZ")
# Codes that are only reported beside another (guideline I.B.14, I.C.15.a, I.C.18.e).
_BACKGROUND = frozenset({"pmh", "psh", "problem_list", "other", "hpi", "social_history"})
_EXAMINATIONS = {
    "Z00.00": "Z00.01",
    "Z00.129": "Z00.121",
    "Z01.419": "Z01.411",
}  # without and with abnormal findings
_NEW = frozenset(
    "new newly elevated abnormal abnormality worsening worsened worse uncontrolled exacerbation incidental incidentally discovered "
    "flare decompensated acute".split()
)
# Conditions that are new whenever they are diagnosed: acute infections, injuries; signs and abnormal findings.
_SUDDEN = tuple(
    "A0 A3 A4 B0 B35 B37.0 B37.2 H10 H61.2 H65.0 H65.1 H66.0 H66.9 H60 J00 J01 J02 J03 J04 J05 J06 J1 J20 J21 K52 L01 L02 L03 L22 N30.0 N39.0 "
    "N63 S T R".split()
)
_ASSESSED = frozenset({"assessment", "plan", "assessment_plan", "discharge_diagnosis"})
_PLAIN = re.compile(r"\bunspecified\b|\bwithout\b|\buncomplicated\b|\bnot\b|\bnos\b")
_RATES = frozenset({"day", "daily", "year", "years", "week", "weekly"})
_BIRTHS = ("O80", "O82", "Z37")
_AFTER_BIRTH = frozenset({"postpartum", "puerperal", "puerperium"})
_PERIOD = re.compile(r",? (?:(?:complicating|in) )?(?:pregnancy|childbirth|(?:first|second|third|unspecified) trimester)\b")
_COMPANY: dict[str, tuple[tuple[str, ...], str]] = {
    "Z68": (
        (
            "E66",
            "E40",
            "E41",
            "E42",
            "E43",
            "E44",
            "E45",
            "E46",
            "R63.4",
            "R63.5",
            "R63.6",
            "R64",
            "E88.82",
            "F50",
            "Z71.3",
            "O99.21",
        ),
        "body mass index only beside a weight diagnosis by the provider (guideline I.B.14)",
    ),
    "Z3A": (("O", "Z34", "Z36", "Z33"), "weeks of gestation only beside an obstetric code (guideline I.C.21.c.11)"),
    "R29.7": (("I60", "I61", "I62", "I63"), "stroke scale only beside a stroke (guideline I.C.18.i)"),
}


@dataclass(slots=True)
class Candidate:
    """A billable code the note may support.

    Parameters
    ----------
    code : str
        Dotted.
    mentions : list of int
        Mentions that support it, as indexes into the extraction.
    choice : Choice or None
        How the specific code was chosen; None for a final code.
    root : str
        Header under which it was chosen.
    origin : {"mention", "combination", "history", "family"}
    citation : str
        Guideline or table for a combination.
    integral_to : str
        Confirmed diagnosis the symptom belongs to, or empty.
    is_current : bool
        Whether the condition does not end, although the note calls it history.
    context : dict of int to float
        Words near the mentions, for the alternatives.
    """

    code: str
    mentions: list[int] = field(default_factory=list)
    choice: Choice | None = None
    root: str = ""
    origin: str = "mention"
    citation: str = ""
    integral_to: str = ""
    is_current: bool = False
    context: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A code that was seen and is no candidate, and why."""

    code: str
    reason: str
    detail: str
    mentions: tuple[int, ...]


def infer_setting(note: Note, section_names: Iterable[str] = ()) -> str:
    """Return the setting of a note: as given, else from its kind, else from its sections.

    Examples
    --------
    >>> infer_setting(Note("n", "x", kind="discharge summary"))
    'inpatient'
    """
    if note.setting is not None:
        return note.setting
    kind = (note.kind or "").lower()
    if "discharge" in kind:
        return "inpatient"
    if kind.startswith("ed ") or "emergency" in kind:
        return "emergency"
    if not kind and {"hospital_course", "discharge_diagnosis"} & set(section_names):
        return "inpatient"
    return "outpatient"


class CandidateFinder:
    """Finds the candidates of a note.

    Parameters
    ----------
    release : Release
    table : SpecificityTable
    rules : Rules

    Attributes
    ----------
    default_of : callable
        Header to the code that stands under it when nothing more is said; to an empty text when there is none.
    """

    def __init__(self, release: Release, table: SpecificityTable, rules: Rules) -> None:
        self.release = release
        self.table = table
        self.rules = rules
        self._side_words = dict(table.sides)
        self._stem: dict[str, tuple[str, int]] = {}
        self._index: dict[str, int] = {}
        # the three-character categories of each rule's groups: most rules are ruled out by them
        asked = [[frozenset(p[:3] for p in group) for group in rule.groups] for rule in rules.combinations]
        self._rules = [(rule, groups[1:]) for rule, groups in zip(rules.combinations, asked, strict=True)]
        self._rules_of: dict[str, list[int]] = {}  # by a category of the first group
        for number, groups in enumerate(asked):
            for category in sorted(groups[0]):
                self._rules_of.setdefault(category, []).append(number)
        self.default_of = lru_cache(maxsize=1024)(self._find_default)
        self._category_default = lru_cache(maxsize=1024)(self._find_category_default)
        self._is_integral = lru_cache(maxsize=2048)(self._find_is_integral)
        self._at_childbirth = lru_cache(maxsize=256)(self._find_at_childbirth)

    def find(self, note: Note, extraction: Extraction) -> tuple[list[Candidate], list[LeftOut]]:
        """Find the candidates of one note.

        Returns
        -------
        candidates : list of Candidate
            Sorted by code.
        left_out : list of LeftOut
        """
        mentions = extraction.mentions
        setting = infer_setting(note, {s.name for s in extraction.sections})
        near = _Surroundings(extraction, self._side_words, self.table, is_acute=setting in ("inpatient", "emergency"))
        found: dict[str, Candidate] = {}
        excluded: dict[tuple[str, str], list[int]] = {}
        for index, mention in enumerate(mentions):
            if mention.kind == "drug":
                continue
            assertion = mention.assertion
            code = mention.code
            if assertion in _NOT_PRESENT:
                if assertion == "someone_else" and mention.kind not in _ALWAYS_STANDING:
                    relative = self.rules.history.family_of(code)
                    if relative and relative in self.release:
                        self._add(found, relative, index, None, "", "family", {})
                        continue
                if assertion == "conditional" and mention.section == "allergies":
                    excluded.setdefault((code, "section"), []).append(index)
                else:
                    excluded.setdefault((code, assertion), []).append(index)
                continue
            if assertion == "historical" and mention.kind not in _ALWAYS_STANDING:
                cue = extraction.cue_words[index]
                past = self.rules.history.personal_of(code) if _is_past(cue) else ""
                if code[0] in "ST" and cue in ("s/p", "sp", "status post"):
                    past = ""  # "s/p fall with laceration" is today's injury
                if past and past != "current" and past in self.release:
                    self._add(found, past, index, None, "", "history", {})
                    continue
            if code[0] == "C" and mention.section in _BACKGROUND and near.is_treated(index):
                past = self.rules.history.personal_of(code)
                if past and past != "current" and past in self.release:
                    self._add(found, past, index, None, "", "history", {})
                    continue
            is_current = assertion == "historical" and self.rules.history.personal_of(code) == "current"
            for code, choice, context in self._resolve(mention, index, near):
                self._add(found, code, index, choice, mention.root, "mention", context)
                found[code].is_current |= is_current
        left_out: list[LeftOut] = []
        self._type_of_diabetes(found, mentions, left_out)
        self._cigarettes(found, near, left_out)
        self._combine(found, mentions, left_out)
        self._general_examination(found, near, left_out)
        self._childbirth(found, mentions, left_out)
        self._need_company(found, mentions, left_out, is_after_birth=not _AFTER_BIRTH.isdisjoint(near.lowers[:60]))
        self._supersede(found, left_out)
        self._mark_integral(found, mentions)
        for (code, reason), indexes in sorted(excluded.items()):
            if code not in found:
                left_out.append(LeftOut(code, reason, "", tuple(indexes)))
        for candidate in found.values():
            candidate.mentions.sort()
        return [found[c] for c in sorted(found)], left_out

    # -- one mention -------------------------------------------------------------------------------------------------

    def _resolve(self, mention: Mention, index: int, near: _Surroundings) -> list[tuple[str, Choice | None, dict[int, float]]]:
        """Make the code of a mention as specific as the note allows.

        One code; two where both sides are affected and the category has no code for both (guideline I.B.13).
        """
        release, table = self.release, self.table
        if mention.root == mention.code and mention.code[0] in _WHOLE:
            return [(mention.code, None, {})]
        stem_text, stem = self._stem_of(mention.code)
        contexts: list[dict[int, float]] = [{}]
        choices: list[Choice | None] = [None]
        if mention.root != mention.code:
            root = self._root(mention.root)
            relevant = table.relevant(root)
            if relevant is not None:
                context = near.context(index, relevant, table.sites_under(root))
                contexts = table.both_sides(root, context)
                choices = [
                    table.best(root, stem, tuple(sorted((w, c) for w, c in ctx.items() if w in relevant))) for ctx in contexts
                ]
                if len(contexts) == 2 and (choices[0] is None or choices[1] is None or choices[0].code == choices[1].code):
                    contexts, choices = contexts[:1], choices[:1]
        found: list[tuple[str, Choice | None, dict[int, float]]] = []
        for context, choice in zip(contexts, choices, strict=True):
            code, text = (choice.code, release.text(choice.code)) if choice is not None else (stem, stem_text)
            allowed = table.seventh(code)
            if allowed:
                text = with_seventh(text, allowed, release, near.seventh(index, allowed, text))
            found.append((text, choice, context))
        return found

    def _root(self, code: str) -> int:
        """Return the place of a header in the release."""
        place = self._index.get(code, -1)
        if place < 0:
            place = self._index[code] = self.release.index(code)
        return place

    def _find_category_default(self, category: str) -> str:
        """Return the code that stands for a category when nothing more is said; empty when the category is a code itself."""
        if category not in self.release or self.release.is_billable(category):
            return ""
        return self.default_of(category)

    def _find_is_integral(self, code: str) -> bool:
        """Whether a code can be integral to another at all."""
        return any(code[:end] in self.rules.integral for end in range(len(code), 2, -1))

    def _stem_of(self, code: str) -> tuple[str, int]:
        hit = self._stem.get(code)
        if hit is None:
            text = code
            if len(code) == 8:  # seven characters and the dot
                text = self.release.parent(code) or code
            hit = self._stem[code] = (text, self.release.index(text))
        return hit

    def _find_default(self, root: str) -> str:
        """Return the code that stands under a header when nothing more is said; empty when there is none."""
        stem = self.table.default(self.release.index(root))
        if stem < 0:
            return ""
        return with_seventh(self.release.text(stem), self.table.seventh(stem), self.release, "")

    @staticmethod
    def _add(
        found: dict[str, Candidate],
        code: str,
        index: int,
        choice: Choice | None,
        root: str,
        origin: str,
        context: dict[int, float],
    ) -> None:
        candidate = found.get(code)
        if candidate is None:
            found[code] = Candidate(code, [index], choice, root, origin, context=context)
            return
        candidate.mentions.append(index)
        if choice is not None and (candidate.choice is None or len(choice.matched) > len(candidate.choice.matched)):
            candidate.choice = choice
            candidate.root = root
            candidate.context = context
        if candidate.origin in ("history", "family") and origin == "mention":
            candidate.origin = origin

    # -- several mentions --------------------------------------------------------------------------------------------

    def _combine(self, found: dict[str, Candidate], mentions: tuple[Mention, ...], left_out: list[LeftOut]) -> None:
        categories = {c[:n] for c in found for n in (1, 2, 3)}
        waiting = {number for category in categories for number in self._rules_of.get(category, ())}
        while waiting:
            number = min(waiting)
            waiting.discard(number)
            rule, others = self._rules[number]
            if any(group.isdisjoint(categories) for group in others):
                continue
            parts: list[str] = []
            for group in rule.groups:
                hits = [c for c in found if c.startswith(group) and self._stands(found[c], mentions)]
                if not hits:
                    break
                parts.append(min(hits))
            else:
                removed = [c for c in sorted(found) if c.startswith(rule.removes) and c != rule.result] if rule.removes else []
                if rule.result and rule.result in self.release:
                    evidence = sorted({m for p in (*parts, *removed) for m in found[p].mentions})
                    target = found.get(rule.result)
                    if target is None:
                        if not removed and rule.result not in found and not self._is_new(rule.result, found):
                            continue
                        found[rule.result] = Candidate(rule.result, evidence, None, "", "combination", rule.citation)
                        categories.add(rule.result[:3])
                        waiting.update(later for later in self._rules_of.get(rule.result[:3], ()) if later > number)
                    else:
                        target.mentions = sorted(set(target.mentions) | set(evidence))
                for code in removed:
                    if not rule.result and code in parts and len(parts) == 1:
                        continue
                    candidate = found.pop(code)
                    by = rule.result or next((p for p in parts if p != code), "")
                    left_out.append(LeftOut(code, "superseded", f"coded as {by} ({rule.citation})", tuple(candidate.mentions)))

    def _type_of_diabetes(self, found: dict[str, Candidate], mentions: tuple[Mention, ...], left_out: list[LeftOut]) -> None:
        """Give "diabetic retinopathy" the type the note names; type 2 only stands by default (guideline I.C.4.a.2)."""
        named = sorted({c[:3] for c in found if c[:3] in _DIABETES and self._stands(found[c], mentions)})
        if len(named) != 1:
            return
        for code in [c for c in sorted(found) if c.startswith("E11")]:
            candidate = found[code]
            if any(_TYPE_TWO.search(mentions[m].term.lower()) for m in candidate.mentions):
                continue
            other = named[0] + code[3:]
            del found[code]
            left_out.append(
                LeftOut(code, "superseded", f"the note names {named[0]} (guideline I.C.4.a)", tuple(candidate.mentions))
            )
            if other in self.release and self.release.is_billable(other):
                target = found.setdefault(other, Candidate(other, [], candidate.choice, "", candidate.origin))
                target.mentions = sorted(set(target.mentions) | set(candidate.mentions))

    @staticmethod
    def _cigarettes(found: dict[str, Candidate], near: _Surroundings, left_out: list[LeftOut]) -> None:
        """Name the product of a nicotine dependence where the note tells of cigarettes (guideline I.B.2)."""
        smoker = found.get("F17.200")
        if smoker is None or not near.tells_of_cigarettes():
            return
        target = found.setdefault("F17.210", Candidate("F17.210", [], smoker.choice, smoker.root, smoker.origin))
        target.mentions = sorted({*target.mentions, *smoker.mentions})
        del found["F17.200"]
        detail = "the note tells of cigarettes: F17.210 (guideline I.B.2)"
        left_out.append(LeftOut("F17.200", "superseded", detail, tuple(smoker.mentions)))

    def _general_examination(self, found: dict[str, Candidate], near: _Surroundings, left_out: list[LeftOut]) -> None:
        """Say of a routine examination that it had an abnormal finding: something new, or worse (guideline I.C.21.c.13)."""
        for plain, abnormal in _EXAMINATIONS.items():
            exam = found.get(plain)
            if exam is None:
                continue
            if abnormal not in found:
                if not any(near.is_new_finding(c, candidate.mentions) for c, candidate in found.items() if c[0] not in "ZVWXY"):
                    continue
                found[abnormal] = Candidate(
                    abnormal, [], exam.choice, exam.root, exam.origin, "I.C.21.c.13", context=exam.context
                )
            target = found[abnormal]
            target.mentions = sorted({*target.mentions, *exam.mentions})
            detail = f"coded as {abnormal}, something new was found (guideline I.C.21.c.13)"
            left_out.append(LeftOut(plain, "superseded", detail, tuple(exam.mentions)))
            del found[plain]

    def _childbirth(self, found: dict[str, Candidate], mentions: tuple[Mention, ...], left_out: list[LeftOut]) -> None:
        """Turn complications of pregnancy into those of childbirth where the child was born in this stay (guideline I.C.15.a.3)."""
        if not any(c.startswith(_BIRTHS) and self._stands(found[c], mentions) for c in found):
            return
        for code in found:
            if code.startswith("Z37"):  # every record of a delivery has its outcome
                found[code].origin, found[code].citation = "combination", "I.C.21.c.11"
        for code in [c for c in sorted(found) if c[0] == "O"]:
            other = self._at_childbirth(code)
            if not other:
                continue
            before = found.pop(code)
            target = found.setdefault(other, Candidate(other, [], before.choice, before.root, before.origin))
            target.mentions = sorted({*target.mentions, *before.mentions})
            detail = f"coded as {other}, the child was born (guideline I.C.15.a.3)"
            left_out.append(LeftOut(code, "superseded", detail, tuple(before.mentions)))

    def _find_at_childbirth(self, code: str) -> str:
        """Return the code of the same complication in childbirth; empty when there is none.

        The titles say it: "complicating pregnancy, third trimester" beside "complicating childbirth".
        """
        release = self.release
        title = release.title(code).lower()
        if "childbirth" in title or ("pregnancy" not in title and "trimester" not in title):
            return ""
        plain = _PERIOD.sub("", title)
        header = release.parent(code)
        for _ in range(2):
            if header is None or len(header) < 3:
                break
            low, high = release.subtree_range(release.index(header))
            for place in range(low, high):
                other = release.text(place)
                if release.is_billable(other):
                    title = release.title(other).lower()
                    if "childbirth" in title and _PERIOD.sub("", title) == plain:
                        return other
            header = release.parent(header)
        return ""

    @staticmethod
    def _need_company(
        found: dict[str, Candidate], mentions: tuple[Mention, ...], left_out: list[LeftOut], *, is_after_birth: bool
    ) -> None:
        """Leave out codes that are only coded beside another: body mass index, weeks of gestation, stroke scale."""
        for prefix, (company, citation) in _COMPANY.items():
            for code in [c for c in sorted(found) if c.startswith(prefix)]:
                if not any(c.startswith(company) for c in found):
                    left_out.append(LeftOut(code, "context", citation, tuple(found.pop(code).mentions)))

        if any(c.startswith("E10") for c in found) and not any(c.startswith(("E08", "E09", "E11", "E13")) for c in found):
            for code in [c for c in found if c == "Z79.4"]:
                detail = "insulin is part of type 1 diabetes (guideline I.C.4.a.3)"
                left_out.append(LeftOut(code, "superseded", detail, tuple(found.pop(code).mentions)))
        if any(c.startswith("Z38") for c in found) or (is_after_birth and not any(c.startswith(_BIRTHS) for c in found)):
            for code in [c for c in sorted(found) if c.startswith("Z3A")]:
                detail = "weeks of gestation are the mother's, and while she is pregnant (guideline I.C.21.c.11)"
                left_out.append(LeftOut(code, "context", detail, tuple(found.pop(code).mentions)))
        weeks = [c for c in sorted(found) if c.startswith("Z3A")]
        if len(weeks) > 1:  # one age of the pregnancy: the one said most plainly, then first

            def key(code: str) -> tuple[bool, int, str]:
                own = [mentions[m] for m in found[code].mentions]
                return all("perhaps" in m.term for m in own), min(m.span.start for m in own), code

            keep = min(weeks, key=key)
            for code in weeks:
                if code != keep:
                    detail = f"{keep} is the age of the pregnancy on this date"
                    left_out.append(LeftOut(code, "superseded", detail, tuple(found.pop(code).mentions)))

    @staticmethod
    def _is_new(result: str, found: dict[str, Candidate]) -> bool:
        """Whether no more specific code of the same subcategory is there already."""
        return not any(c.startswith(result[:5]) for c in found)

    @staticmethod
    def _stands(candidate: Candidate, mentions: tuple[Mention, ...]) -> bool:
        return candidate.origin in ("mention", "combination") and any(
            mentions[m].assertion in ("present", "historical", "not_assessed") for m in candidate.mentions
        )

    def _supersede(self, found: dict[str, Candidate], left_out: list[LeftOut]) -> None:
        """Let the less specific of two codes under one header step back behind the more specific (guideline I.B.2)."""
        table = self.table
        asserted = {c: table.n_asserted(self._stem_of(c)[1]) for c in found}
        for code in sorted(found):
            candidate = found[code]
            if candidate.origin != "mention" or (
                candidate.choice is not None and candidate.choice.matched and not candidate.choice.is_default
            ):
                continue
            stem = self._stem_of(code)[1]
            # the header whose codes may take over: the term's own, or the category when the code is its plainest
            scope = candidate.root if candidate.root and candidate.root != code else ""
            category = code[:3]
            # penicillin is not the plain form of an allergy, nor aphasia that of a disorder of speech
            if code == self._category_default(category) and _PLAIN.search(self.release.title(code).lower()):
                scope = category
            elif not scope or not table.is_plainest(stem, self._root(scope)):
                continue
            rivals = [
                c
                for c, other in found.items()
                if c != code
                and c.startswith(scope)
                and other.origin in ("mention", "combination")
                and asserted[c] > asserted[code]
                and not table.is_plainest(self._stem_of(c)[1], self._root(scope))
            ]
            if rivals:
                best = min(rivals, key=lambda c: (-len(found[c].mentions), -asserted[c], c))
                found[best].mentions = sorted(set(found[best].mentions) | set(candidate.mentions))
                left_out.append(
                    LeftOut(code, "superseded", f"{best} is more specific (guideline I.B.2)", tuple(candidate.mentions))
                )
                del found[code]

    def _mark_integral(self, found: dict[str, Candidate], mentions: tuple[Mention, ...]) -> None:
        if not any(map(self._is_integral, found)):
            return
        confirmed = [
            c
            for c, candidate in sorted(found.items())
            if any(
                mentions[m].assertion in ("present", "not_assessed")
                and mentions[m].section not in ("ros", "instructions", "family_history", "medications")
                for m in candidate.mentions
            )
            and candidate.origin in ("mention", "combination")
        ]
        for code, candidate in found.items():
            if self._is_integral(code):
                candidate.integral_to = self.rules.integral_to(code, [c for c in confirmed if c != code])


class _Surroundings:
    """What stands near each mention: words with weights, the side, the episode of care."""

    def __init__(self, extraction: Extraction, sides: dict[int, str], table: SpecificityTable, *, is_acute: bool = False) -> None:
        self.is_acute = is_acute
        self.extraction = extraction
        self.table = table
        self.sides = sides
        ids = extraction.numbers.ids
        self.ids: list[int] = ids.tolist()
        self.aliases = extraction.numbers.aliases
        self.lowers = lowers = extraction.numbers.lowers
        self.negated = bytearray(extraction.negated)
        side_of: dict[int, str] = {}
        for i in [i for i, low in enumerate(lowers) if low in _NOTED]:
            low = lowers[i]
            if low in _DENIERS:  # also where the phrase is no cue: "without complications", "not intractable"
                for j in range(i + 1, min(i + 4, len(self.negated))):
                    if lowers[j] in ",;.:)":
                        break
                    self.negated[j] = True
                continue
            side = _SIDE_FORMS[low]
            if side in ("L", "R"):  # single letters only as capitals, before a word
                if self._is_side_letter(extraction, i):
                    side_of[i] = {"L": "left", "R": "right"}[side]
            else:
                side_of[i] = side
        for i, expansion in self.aliases.items():
            side = next((sides[a] for a in expansion if a in sides), "")
            if side:
                side_of[i] = side
        for word, side in sides.items():
            for i in np.flatnonzero(ids == word).tolist():
                side_of[i] = side
        # first token of every sentence and block; both are numbered without gaps
        self.sentences = extraction.layout.edges("sentence")
        self.blocks = extraction.layout.edges("block")
        self.heading = extraction.layout.list_of("heading")
        self.side_at = sorted(side_of.items())
        self._opening: frozenset[str] | None = None
        self.side_tokens = [i for i, _ in self.side_at]
        self._blocks: dict[int, dict[int, float]] = {}
        self._beside: list[tuple[str, set[int]]] | None = None  # each side with the words around it
        self.multiple = table.word_id.get("multiple", -1)
        self.unilateral = table.word_id.get("unilateral", -1)
        self.dominant = table.word_id.get("dominant", -1)
        self.nondominant = table.word_id.get("nondominant", -1)
        self.dependence = table.word_id.get("dependence", -1)
        self.abuse = table.word_id.get("abuse", -1)
        self.use = table.word_id.get("use", -1)

    def _is_graded(self, i: int) -> bool:
        """Whether a number is a stage, grade or degree ("stage 3", "second degree")."""
        return (i > 0 and self.lowers[i - 1] in _GRADED) or (i + 1 < len(self.lowers) and self.lowers[i + 1] in _GRADED)

    @staticmethod
    def _is_side_letter(extraction: Extraction, i: int) -> bool:
        lowers = extraction.tokens.lowers
        if i + 1 >= len(lowers) or not lowers[i + 1].isalpha() or len(lowers[i + 1]) <= 2:
            return False
        return extraction.tokens.word(i) in ("L", "R")

    def _words(self, low: int, high: int, weight: float, into: dict[int, float]) -> None:
        negated = self.negated
        ids, lowers, aliases = self.ids, self.lowers, self.aliases
        for i in range(low, high):
            w = ids[i]
            if w < 0 and i not in aliases:
                continue
            if negated[i] or (lowers[i] in _NUMBERS and not self._is_graded(i)):
                continue  # the 2 of "type 2 diabetes" is no stage of kidney disease
            if w >= 0 and into.get(w, 0.0) < weight:
                into[w] = weight
            if i in aliases:
                for a in aliases[i]:
                    if into.get(a, 0.0) < weight:
                        into[a] = weight

    def context(self, index: int, relevant: frozenset[int], sites: frozenset[int]) -> dict[int, float]:
        """Return the words near a mention that can matter, each with a weight in (0, 1]."""
        extraction = self.extraction
        tokens = extraction.token_spans[index]
        first, last = tokens[0], tokens[-1]
        mention = extraction.mentions[index]
        a, b = self.sentences[mention.sentence], self.sentences[mention.sentence + 1]
        context: dict[int, float] = {}
        c, d = self.blocks[mention.block], self.blocks[mention.block + 1]
        if (
            d - c < 400
            and mention.section in ("assessment", "plan", "assessment_plan", "hospital_course", "discharge_diagnosis", "imaging")
            and any(self.heading[c : c + 4])
        ):
            block = self._blocks.get(mention.block)
            if block is None:
                block = {}
                self._words(c, d, 0.5, block)
                self._blocks[mention.block] = block
            context.update(block)
            heading = self.heading
            i = c
            while i < d and heading[i] != 1 and i < c + 4:
                i += 1
            j = i
            while j < d and heading[j] == 1:
                j += 1
            self._words(i, j, 0.9, context)
        self._words(max(a, first - 14), min(b, last + 15), 0.9, context)
        # the words of the term itself chose its code already
        for t in tokens:
            if self.ids[t] >= 0:
                context[self.ids[t]] = 0.0
            for alias in self.aliases.get(t, ()):
                context[alias] = 0.0
        for w in self.sides:
            context.pop(w, None)
        side = (
            self._side(first, last, a, b, c, d, tokens, sites) if self.side_at and not relevant.isdisjoint(self.sides) else None
        )
        if side is not None:
            for w, name in self.sides.items():
                if name == side:
                    context[w] = 1.0
        if side in ("left", "right") and self.unilateral >= 0:
            context.setdefault(self.unilateral, 0.9)
        # hemiplegia: the right side is the dominant one unless the note says otherwise (guideline I.C.6.a)
        if side in ("left", "right"):
            dominant = self.dominant if side == "right" else self.nondominant
            if dominant >= 0:
                context.setdefault(dominant, 0.9)
        if self.multiple >= 0 and _SEVERAL.intersection(self.lowers[max(a, first - 3) : min(b, last + 4)]):
            context[self.multiple] = 0.9
        self.table.widen(context)
        if mention.code.startswith("F1") and "disorder" in mention.term.lower():
            # DSM-5 use disorder: mild is abuse, moderate and severe are dependence (guideline I.C.5.b)
            words = self.lowers[max(a, first - 4) : min(b, last + 5)]
            stands_for = self.dependence if {"severe", "moderate"} & set(words) else self.abuse if "mild" in words else -1
            if stands_for >= 0:
                context.pop(self.use, None)
                context[stands_for] = 1.5
        return {w: v for w, v in context.items() if w in relevant}

    def _sides_between(self, low: int, high: int) -> list[tuple[int, str]]:
        return self.side_at[bisect_left(self.side_tokens, low) : bisect_left(self.side_tokens, high)]

    def tells_of_cigarettes(self) -> bool:
        """Whether cigarettes are named, or packs by the day or year."""
        lowers = self.lowers
        return any(
            not self.negated[i]
            and (
                word in ("cigarette", "cigarettes", "ppd")
                or (word in ("pack", "packs") and not _RATES.isdisjoint(lowers[i + 1 : i + 4]))
            )
            for i, word in enumerate(lowers)
        )

    def is_new_finding(self, code: str, indexes: Iterable[int]) -> bool:
        """Whether a condition is assessed, and is new or worse by its nature or by the words beside it."""
        mentions = self.extraction.mentions
        for index in indexes:
            mention = mentions[index]
            if mention.section not in _ASSESSED or mention.assertion not in ("present", "possible"):
                continue
            if mention.assertion == "present" and mention.is_heading and code.startswith(_SUDDEN):
                return True
            a, b = self.sentences[mention.sentence], self.sentences[mention.sentence + 1]
            tokens = self.extraction.token_spans[index]
            words = self.lowers[max(a, tokens[0] - 6) : min(b, tokens[-1] + 7)]
            if not _NEW.isdisjoint(words) and not {"no", "not", "stable"} & set(words):
                return True
        return False

    def is_treated(self, index: int) -> bool:
        """Whether the sentence of a cancer speaks of treatment that is over (guideline I.C.2.m)."""
        mention = self.extraction.mentions[index]
        a, b = self.sentences[mention.sentence], self.sentences[mention.sentence + 1]
        sentence = " ".join(self.lowers[a : min(b, a + 80)])
        return _TREATED.search(sentence) is not None and _ACTIVE.search(sentence) is None

    def _side(
        self, first: int, last: int, a: int, b: int, c: int, d: int, tokens: tuple[int, ...], sites: frozenset[int]
    ) -> str | None:
        """Return the side a mention speaks of: the words beside it, its sentence, its block, then the same site elsewhere."""
        close = [(i, s) for i, s in self._sides_between(first - 4, last + 5) if a <= i < b]
        names = {s for _, s in close}
        if "bilateral" in names or {"left", "right"} <= {s for i, s in close if first - 4 <= i <= first}:
            if "bilateral" in names:
                return "bilateral"
            nearest = min(close, key=lambda x: (abs(x[0] - first), x[0]))
            between = [i for i, _ in close]
            return "bilateral" if max(between) - min(between) <= 3 and max(between) < first + 1 else nearest[1]
        if close:
            return min(close, key=lambda x: (abs(x[0] - first) if x[0] <= first else abs(x[0] - last) + 0.5, x[0]))[1]
        for low, high in ((a, b), (c, d) if d - c < 400 else (a, b)):
            names = {s for _, s in self._sides_between(low, high)} if high - low < 400 else set()
            if len(names) == 1:
                return next(iter(names))
            if names:
                return None
        # the same words elsewhere: "right knee" in the complaint, "knee osteoarthritis" in the plan
        own = {self.ids[t] for t in tokens} & self.table.sites or sites
        if len(self.side_at) > 300:
            return None
        tally: dict[str, int] = {}
        if self._beside is None:
            self._beside = [
                (s, {*self.ids[max(0, i - _SITE_LIMIT) : i], *self.ids[i + 1 : i + _SITE_LIMIT + 1]}) for i, s in self.side_at
            ]
        for s, beside in self._beside:
            if not beside.isdisjoint(own):
                tally[s] = tally.get(s, 0) + 1
        if len(tally) == 1:
            return next(iter(tally))
        if tally:
            ranked = sorted(tally.items(), key=lambda x: (-x[1], x[0]))
            if ranked[0][1] >= 3 * ranked[1][1]:
                return ranked[0][0]
        return None

    def seventh(self, index: int, allowed: str, code: str) -> str:
        """Return the wanted seventh characters, best first (guidelines I.C.19.a, I.C.19.c, I.C.13.c)."""
        mention = self.extraction.mentions[index]
        c, d = self.blocks[mention.block], self.blocks[mention.block + 1]
        a, b = self.sentences[mention.sentence], self.sentences[mention.sentence + 1]
        block = set(self.lowers[c : min(d, c + 300)])
        near = set(self.lowers[a:b])
        if "D" not in allowed:
            if allowed == "01":  # gout: without, with tophus
                named = (i for i in range(c, min(d, c + 300)) if self.lowers[i].startswith("toph"))
                return "1" if any(not self.negated[i] for i in named) else "0"
            if "4" in allowed and "0" in allowed:  # glaucoma: stage
                return next((_STAGES[w] for w in self.lowers[a:b] if w in _STAGES), "")
            if "9" in allowed and "3" in allowed:  # retinopathy and the like: eye
                tokens = self.extraction.token_spans[index]
                return _EYES.get(self._side(tokens[0], tokens[-1], a, b, c, d, tokens, self.table.sites) or "", "")
            return ""
        wanted = ""
        if {"sequela", "sequelae"} & near:
            wanted += "S"
        if "nonunion" in block:
            wanted += "K"
        if "malunion" in block:
            wanted += "P"
        if {"healing", "healed"} & block and "delayed" in block:
            wanted += "G"
        if self._opening is None:
            self._opening = self._lead()
        lead = self._opening
        if self.is_acute or code.startswith(
            ("T8", "T36", "T37", "T38", "T39", "T4", "T50")
        ):  # active treatment, although an operation went before
            if "B" in allowed and self._is_open(index):
                wanted = "B" + wanted
            return wanted
        if any(w in block for w in ("healing", "healed", "aftercare")) or (
            any(w in lead for w in _FOLLOW_UP)
            and not block & _TODAY
            and any(w in block for w in (*_FOLLOW_UP, "weeks", "week", "months", "cast", "splint", "orif", "since"))
        ):
            wanted += "D"
        if "B" in allowed and self._is_open(index):
            wanted = "B" + wanted if "D" not in wanted else wanted + "B"
        return wanted

    def _is_open(self, index: int) -> bool:
        """Whether the fracture itself is called open ("open reduction" speaks of the operation)."""
        tokens = self.extraction.token_spans[index]
        for i in range(max(0, tokens[0] - 4), min(len(self.lowers) - 1, tokens[-1] + 4)):
            if (
                self.lowers[i] == "open"
                and not self.negated[i]
                and self.lowers[i + 1] not in ("reduction", "repair", "treatment")
            ):
                return True
        return False

    def _lead(self) -> frozenset[str]:
        """Return the words of the chief complaint, or of the first sentences."""
        words: set[str] = set()
        for s in self.extraction.sections:
            if s.name in ("chief_complaint",):
                starts = self.extraction.tokens.starts
                low = bisect_left(starts, s.span.start)
                high = bisect_left(starts, s.span.end)
                words.update(self.lowers[low : min(high, low + 40)])
        if not words:
            words.update(self.lowers[:60])
        joined = " ".join(self.lowers[:60])
        if "follow - up" in joined or "follow up" in joined:
            words.add("follow-up")
        return frozenset(words)
