"""One chart out of several documents: codes ranked together, what was decided about them, and the edits on what stands.

The documents' results are merged, never computed anew: a code's probability is the highest that any document gives it, by the same
model, and each document's own number stays beside it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codesuggest.codes import Release
from codesuggest.edits import Claim, Diagnosis, Tables, check
from codesuggest.errors import InvalidSpanError
from codesuggest.records import Decision, FinalCode, Shown, Span

__all__ = ["Contents", "Document", "Held", "Standings", "claim_of", "final_codes", "findings_of", "merge"]

Key = tuple[str, str]
"""``(system, code)``."""
_MAX_EVIDENCE = 60


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a chart.

    Parameters
    ----------
    position : int
        Its place in the chart, from 0; the API calls it ``document``.
    note_id, text_sha256, text : str
    kind, date_of_service : str or None
    n_words : int
    result : mapping
        JSON object of the result, or of the failure in its place.
    """

    position: int
    note_id: str
    text_sha256: str
    text: str = field(repr=False)
    kind: str | None
    date_of_service: str | None
    n_words: int
    result: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contents:
    """What does not change while a chart is worked on.

    Parameters
    ----------
    documents : tuple of Document
    codes : dict of (system, code) to mapping
        The merged suggestions, in rank order; as the API gives them.
    suppressed, findings, proposed_queries : tuple of mapping
    skipped : tuple of str
    versions : dict of str to str
    head : bytes
        JSON of documents, suppressed, proposed queries, skipped and versions, without the braces.
    """

    documents: tuple[Document, ...]
    codes: dict[Key, dict[str, Any]] = field(repr=False)
    suppressed: tuple[dict[str, Any], ...] = field(repr=False)
    findings: tuple[dict[str, Any], ...] = field(repr=False)
    proposed_queries: tuple[dict[str, Any], ...] = field(repr=False)
    skipped: tuple[str, ...]
    versions: dict[str, str]
    head: bytes = field(repr=False)

    def shown(self) -> tuple[Shown, ...]:
        """Every suggestion of every document, as it was put to the person."""
        return tuple(
            Shown(self.documents[one["document"]].note_id, code, one["rank"], one["probability"], one["selected"], system)
            for (system, code), merged in self.codes.items()
            for one in merged["by_document"]
        )

    def document(self, position: int, start: int, end: int) -> Document:
        """Give a document that holds a range.

        Raises
        ------
        InvalidSpanError
            CS618 when there is no such document, or the range is not in it.
        """
        if position >= len(self.documents) or start >= end or end > len(self.documents[position].text):
            raise InvalidSpanError(
                "CS618",
                f"The range {start} to {end} is not in document {position}. Expected characters of one of the "
                f"{len(self.documents)} documents. Give offsets into its text.",
            )
        return self.documents[position]

    def own_evidence(self, key: Key, position: int) -> tuple[tuple[Span, ...], ...]:
        """Give the words of one document that support a suggested code."""
        merged = self.codes.get(key)
        if merged is None:
            return ()
        return tuple(
            (Span(e["start"], e["end"]),) for e in merged["evidence"] if e["document"] == position and e["role"] == "supports"
        )


def _placed(evidence: Mapping[str, Any], position: int) -> dict[str, Any]:
    return {"document": position, **evidence}


def merge(documents: Sequence[Document]) -> Contents:
    """Merge the results of a chart's documents.

    Examples
    --------
    >>> merge([]).codes
    {}
    """
    codes: dict[Key, dict[str, Any]] = {}
    suppressed: list[dict[str, Any]] = []
    findings: dict[tuple[Any, ...], dict[str, Any]] = {}
    queries: dict[str, dict[str, Any]] = {}
    skipped: dict[str, None] = {}
    versions: dict[str, str] = {}
    shown_documents = []
    for d in documents:
        result = d.result
        shown_documents.append(
            {
                "document": d.position,
                "note_id": d.note_id,
                "kind": d.kind,
                "date_of_service": d.date_of_service,
                "text": d.text,
                "text_sha256": d.text_sha256,
                "n_words": d.n_words,
                "error": result.get("error"),
            }
        )
        if "error" in result:
            continue
        versions.update(result["versions"])
        skipped.update(dict.fromkeys(result["skipped"]))
        for s in result["suggestions"]:
            own = {"document": d.position, "rank": s["rank"], "probability": s["probability"], "selected": s["selected"]}
            evidence = [_placed(e, d.position) for e in s["evidence"]]
            merged = codes.get((s["system"], s["code"]))
            if merged is None:
                merged = codes[s["system"], s["code"]] = {
                    "system": s["system"],
                    "code": s["code"],
                    "evidence": [],
                    "by_document": [],
                    "probability": -1.0,
                    "selected": False,
                    "alternatives": [],
                }
            if s["probability"] > merged["probability"]:
                merged.update({name: s[name] for name in ("description", "probability", "billable", "status", "note")})
                merged["alternatives"] = s["specificity"] or merged["alternatives"]
                merged["evidence"] = [*evidence, *merged["evidence"]]
            else:
                merged["evidence"] += evidence
            merged["selected"] = merged["selected"] or s["selected"]
            merged["by_document"].append(own)
        suppressed += [
            {
                "code": s["code"],
                "description": s["description"],
                "reason": s["reason"],
                "detail": s["detail"],
                "evidence": [_placed(e, d.position) for e in s["evidence"]],
                "cue": None if s["cue"] is None else {"document": d.position, "start": s["cue"][0], "end": s["cue"][1]},
            }
            for s in result["suppressed"]
        ]
        for f in result["findings"]:
            key = (f["rule_id"], tuple(f["codes"]), f["message"])
            same = findings.setdefault(key, {**f, "evidence": []})
            same["evidence"] += [_placed(e, d.position) for e in f["evidence"]]
        for q in result["queries"]:
            known = {"indicators": [], **{k: v for k, v in q.items() if k != "indicators"}, "document": d.position}
            same = queries.setdefault(q["topic"], known)
            same["indicators"] += [_placed({k: i[k] for k in ("start", "end", "excerpt")}, d.position) for i in q["indicators"]]
    ranked = sorted(codes.values(), key=lambda c: (-c["probability"], c["code"], c["system"]))
    for rank, merged in enumerate(ranked, 1):
        merged["rank"] = rank
        merged["n_evidence"] = len(merged["evidence"])
        merged["evidence"] = merged["evidence"][:_MAX_EVIDENCE]
    static = {
        "documents": shown_documents,
        "suppressed": suppressed,
        "proposed_queries": list(queries.values()),
        "skipped": list(skipped),
        "versions": versions,
    }
    return Contents(
        tuple(documents),
        {(c["system"], c["code"]): c for c in ranked},
        tuple(suppressed),
        tuple(findings.values()),
        tuple(queries.values()),
        tuple(skipped),
        versions,
        json.dumps(static, separators=(",", ":"))[1:-1].encode(),
    )


@dataclass(frozen=True, slots=True)
class Held:
    """What stands about one code of a chart.

    Parameters
    ----------
    decision : Decision
        The latest of its stage; of one decision recorded for several documents, the first.
    decisions : tuple of Decision
        One a document.
    order : int
        When it was made, as a place among all decisions.
    """

    decision: Decision
    decisions: tuple[Decision, ...]
    order: int


class Standings:
    """What stands for each code of a chart: the auditor's word, else the coder's.

    Parameters
    ----------
    made : iterable of Decision
        All of the encounter's, in the order recorded.

    Attributes
    ----------
    stages : dict
        ``(system, code)`` to stage to note id to the decision that stands there.
    """

    def __init__(self, made: Iterable[Decision]) -> None:
        self.stages: dict[Key, dict[str, dict[str, tuple[int, Decision]]]] = {}
        for order, d in enumerate(made):
            notes = self.stages.setdefault((d.system, d.code), {}).setdefault(d.stage, {})
            if d.action == "retract":
                notes.pop(d.note_id, None)
            else:
                notes[d.note_id] = (order, d)

    def note_ids(self, key: Key, stage: str) -> tuple[str, ...]:
        """Give the notes for which a stage has a decision that stands."""
        return tuple(self.stages.get(key, {}).get(stage, {}))

    def standing(self) -> dict[Key, Held]:
        """Give what stands, in the order of the decisions."""
        found: dict[Key, Held] = {}
        for key, stages in self.stages.items():
            notes = stages.get("audit") or stages.get("coder")
            if notes:
                latest = max(order for order, _ in notes.values())
                event_id = base_id(next(d.event_id for order, d in notes.values() if order == latest))
                same = tuple(d for _, d in sorted(notes.values(), key=lambda pair: pair[0]) if base_id(d.event_id) == event_id)
                found[key] = Held(same[0], same, latest)
        return dict(sorted(found.items(), key=lambda item: item[1].order))


def base_id(event_id: str) -> str:
    """Give the id that the caller chose; what follows ``#`` counts the documents of one decision.

    Examples
    --------
    >>> base_id("6f1c#2")
    '6f1c'
    """
    return event_id.partition("#")[0]


def final_codes(standing: Mapping[Key, Held], draft: Sequence[Sequence[Any]]) -> tuple[FinalCode, ...]:
    """Give the codes that stand, in sequence: as the draft orders them, then the others in the order of their decisions.

    Parameters
    ----------
    standing : mapping
        Of `Standings.standing`.
    draft : sequence of (system, code, poa)
    """
    stand = dict.fromkeys(
        (key[0], held.decision.final_code) for key, held in standing.items() if held.decision.final_code is not None
    )
    found: dict[Key, FinalCode] = {}
    for system, code, poa in draft:
        if (system, code) in stand:
            found.setdefault((system, code), FinalCode(code, system, poa))
    for system, code in stand:
        if code is not None:
            found.setdefault((system, code), FinalCode(code, system))
    return tuple(found.values())


def claim_of(codes: Sequence[FinalCode], facts: Mapping[str, Any], day: dt.date) -> Claim:
    """Make the claim that the edits look at.

    Parameters
    ----------
    codes : sequence of FinalCode
        In sequence.
    facts : mapping
        setting, age_years, sex, payer of the chart.
    day : datetime.date
        Date of service.
    """
    diagnoses = [c for c in codes if c.system == "ICD-10-CM"]
    setting = facts.get("setting") or "outpatient"
    return Claim(
        tuple(Diagnosis(i, c.code, c.poa) for i, c in enumerate(diagnoses, 1)),
        setting=setting,
        age_years=facts.get("age_years"),
        sex=facts.get("sex"),
        service_date=day,
        discharge_date=day if setting == "inpatient" else None,
        payer=facts.get("payer") or "",
    )


def findings_of(
    codes: Sequence[FinalCode], facts: Mapping[str, Any], day: dt.date, tables: Tables | None
) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    """Run the edits on the codes that stand: the findings, and the parts that could not run."""
    if tables is None:
        return (), (f"edits: no release of ICD-10-CM is in force on {day.isoformat()}",)
    found = check(claim_of(codes, facts, day), on=day, tables=tables)
    return tuple(f.to_dict() for f in found), tables.skipped(day)


def poa_of(code: str, tables: Tables, day: dt.date) -> tuple[bool, bool]:
    """Say whether a code is exempt from POA reporting, and whether it certainly needs an indicator."""
    exempt, unsure, _, _, _ = tables.poa_on(day)
    facts = tables.index.facts(code)
    is_exempt = bool(facts.mask & exempt)
    return is_exempt, facts.i >= 0 and not is_exempt and not facts.mask & unsure


def described(code: FinalCode, release: Release | None, tables: Tables | None, day: dt.date) -> dict[str, Any]:
    """Give a final code as the API does."""
    title, exempt, needed = "", False, False
    if code.system == "ICD-10-CM" and release is not None and code.code in release:
        title = release.title(code.code)
        if tables is not None:
            exempt, needed = poa_of(code.code, tables, day)
    return {
        "system": code.system,
        "code": code.code,
        "description": title,
        "poa": code.poa,
        "poa_exempt": exempt,
        "poa_needed": needed,
    }
