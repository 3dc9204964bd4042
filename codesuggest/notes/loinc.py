"""LOINC codes of documents and sections, and the words the library knows them by.

A few facts a code: what kind of note it is, or under which heading a section is written. The codes are those of the C-CDA
templates (HL7 C-CDA R2.1, document and section templates) and of US Core's clinical notes.
"""

from __future__ import annotations

__all__ = ["DOCUMENT_KINDS", "LOINC_OID", "heading_of", "kind_of"]

LOINC_OID = "2.16.840.1.113883.6.1"

DOCUMENT_KINDS: dict[str, str] = {
    code: kind
    for kind, codes in {
        "discharge summary": "18842-5 11490-0 28655-9 34105-7 34106-5",
        "progress note": "11506-3 34131-3 18733-6 28569-2",
        "history and physical": "34117-2 11492-6 47039-3",
        "consultation note": "11488-4 51845-6 34099-2",
        "emergency department note": "34111-5 28568-4 34878-9",
        "operative note": "11504-8 34868-0",
        "procedure note": "28570-0 11505-5",
        "radiology report": "18748-4 18782-3 19005-8",
        "laboratory report": "11502-2 26436-6",
        "pathology report": "11526-1 60567-5 22637-3",
        "ecg report": "11524-6",
        "echocardiogram report": "42148-7",
        "cardiac catheterization report": "18745-0",
        "endoscopy report": "18751-8 18746-8",
        "summary of care": "34133-9 68608-9",
        "referral note": "57133-1",
        "transfer summary": "18761-7",
        "assessment and plan note": "51847-2",
        "nursing note": "34746-8",
        "telephone note": "34748-4",
        "discharge instructions": "74213-0",
        "care plan": "52521-2",
        "note": "34109-9",
    }.items()
    for code in codes.split()
}
"""LOINC code of a document's type to kind of note."""

# Code: the heading under which the section finder knows the section, then the titles that it knows as well.
_SECTIONS: dict[str, tuple[str, frozenset[str]]] = {
    code: (words[0], frozenset(words))
    for code, words in {
        "10154-3": ("chief complaint",),
        "46239-0": ("chief complaint", "reason for visit"),
        "29299-5": ("reason for visit",),
        "42349-1": ("reason for referral",),
        "18785-6": ("reason for study",),
        "10164-2": ("history of present illness", "hpi"),
        "61150-9": ("subjective",),
        "11329-0": ("history",),
        "11348-0": ("past medical history",),
        "10167-5": ("past surgical history", "surgical history"),
        "11450-4": ("problem list", "problems", "active problems"),
        "10160-0": ("medications", "current medications"),
        "42346-7": ("medications on admission", "admission medications"),
        "10183-2": ("discharge medications", "medications on discharge"),
        "75311-1": ("discharge medications", "medications on discharge"),
        "29549-3": ("medications",),
        "48765-2": ("allergies",),
        "29762-2": ("social history",),
        "10157-6": ("family history",),
        "10187-3": ("review of systems",),
        "29545-1": ("physical examination", "physical exam"),
        "10210-3": ("physical examination", "physical exam"),
        "10184-0": ("physical exam on discharge",),
        "61149-1": ("objective",),
        "8716-3": ("vital signs",),
        "30954-2": ("results",),
        "11493-4": ("results",),
        "47519-4": ("procedures",),
        "8648-8": ("hospital course",),
        "51848-0": ("assessment", "assessments"),
        "51847-2": ("assessment and plan",),
        "18776-5": ("plan", "plan of care", "treatment plan"),
        "11535-2": ("discharge diagnosis",),
        "46241-6": ("admission diagnosis",),
        "8653-8": ("discharge instructions",),
        "69730-0": ("instructions",),
        "42344-2": ("discharge diet",),
        "11369-6": ("immunizations",),
        "42348-3": ("advance directives",),
        "47420-5": ("functional status",),
        "10190-7": ("mental status exam",),
        "61144-2": ("nutrition",),
        "10218-8": ("postoperative diagnosis",),
        "10219-4": ("preoperative diagnosis",),
        "59769-0": ("postoperative diagnosis",),
        "59768-2": ("indication for procedure",),
        "59776-5": ("procedure findings",),
        "29554-3": ("description of procedure",),
        "10213-7": ("anesthesia",),
        "59774-0": ("anesthesia",),
        "59773-2": ("specimen",),
        "59770-8": ("estimated blood loss",),
        "55109-3": ("complications",),
        "59775-7": ("disposition",),
        "18782-3": ("findings",),
        "19005-8": ("impression",),
    }.items()
}


def kind_of(code: str, name: str | None) -> str | None:
    """Return the kind of a note from the LOINC code of its type, else from its name.

    Examples
    --------
    >>> kind_of("18842-5", "Discharge summarization note"), kind_of("", "Chest X-ray"), kind_of("", None)
    ('discharge summary', 'chest x-ray', None)
    """
    known = DOCUMENT_KINDS.get(code)
    if known is not None:
        return known
    return " ".join(name.lower().split())[:80] or None if name else None


def heading_of(code: str, title: str) -> str:
    """Return the heading of a section: its title, after the words the section finder knows when the title is not among them.

    Examples
    --------
    >>> heading_of("48765-2", "Allergies and Adverse Reactions"), heading_of("8648-8", "Hospital Course"), heading_of("", "Goals")
    ('ALLERGIES: Allergies and Adverse Reactions', 'Hospital Course:', 'Goals:')
    """
    title = " ".join(title.split()).rstrip(": ")
    known = _SECTIONS.get(code)
    if known is None:
        return f"{title}:" if title else ""
    if title.lower().replace("&", "and") in known[1]:
        return f"{title}:"
    return f"{known[0].upper()}: {title}".rstrip()
