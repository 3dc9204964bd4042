"""What images and the examination showed: the finding, its side and site, its grade or stage, and whether it is there."""

# ruff: noqa: E501 - one line a pattern

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from codesuggest.queries.places import Place
from codesuggest.queries.terms import Hit, load_terms
from codesuggest.queries.values import Indicator
from codesuggest.records import Span

__all__ = ["finding_names", "read_findings"]

_STUDY = re.compile(
    r"\b(?:(?P<chest>cxr|chest x-?rays?|chest radiographs?|chest film|(?:ct|cta|cat scan)(?: angio\w*)?(?: of)?(?: the)? chest|chest cta?|cta|ctpa|ct-?pe|ct angiogra\w+|portable chest|pa and lateral|v/?q scan|ct pe protocol|lung ultrasound|hrct)"
    r"|(?P<head>ct (?:of the )?(?:head|brain)|head ct|ct-?h\b|mri (?:of the )?brain|brain mri|mri head|head mri|cta head|cta? head and neck|noncontrast head|nchct|neuroimaging)"
    r"|(?P<heart>tte|tee|echo(?:cardiogra\w+)?|transthoracic echo\w*|cardiac mri|ventriculogram|stress test)"
    r"|(?P<ecg>ekg|ecg|electrocardiogram|12-lead|telemetry)"
    r"|(?P<vessel>duplex|dopplers?|venous ultrasound|le us|lower extremity (?:us|ultrasound)|vascular ultrasound|carotid (?:us|ultrasound)|leni\w*|angiogram)"
    r"|(?P<kidney>renal (?:us|ultrasound)|ct stone|retroperitoneal ultrasound|bladder (?:us|ultrasound)|renal doppler|renal sonogram|ct urogram)"
    r"|(?P<abdomen>ct a/?p|ct (?:of the )?(?:abd\w*|pelvis)|ctap|abdom\w+ (?:ct|us|ultrasound|x-?ray|mri|imaging|series|films?)|kub|ruq (?:us|ultrasound)|mrcp|right upper quadrant ultrasound|liver (?:us|ultrasound|mri)|hida)"
    r"|(?P<any>x-?rays?|xr|radiographs?|ct(?: scan)?|mri|imaging|ultrasound|us|films?|pet(?:/ct)?|bone scan|scan|mammogram|plain films?|dexa))\b"
)
_ALLOWED = {
    "chest": frozenset({"chest", "any", "bone", "abdomen"}),
    "head": frozenset({"head", "any", "bone"}),
    "heart": frozenset({"heart", "any"}),
    "ecg": frozenset({"ecg"}),
    "vessel": frozenset({"vessel", "any"}),
    "kidney": frozenset({"kidney", "any", "abdomen"}),
    "abdomen": frozenset({"abdomen", "kidney", "any", "bone", "chest"}),
    "any": frozenset({"any", "bone", "abdomen", "kidney", "chest", "head", "vessel"}),
}
_REGION_NAMES = {
    "chest": "chest_imaging",
    "head": "head_imaging",
    "heart": "echocardiogram",
    "ecg": "ecg",
    "vessel": "vascular_imaging",
    "kidney": "kidney_imaging",
    "abdomen": "abdominal_imaging",
    "bone": "bone_imaging",
    "any": "imaging",
}
_LOOK_BACK = 420
_PARAGRAPH = re.compile(r"\n[ \t]*\n|\n[ \t]*(?:[-*•#]|\d{1,2}[.)])[ \t]|\n[^\n:]{2,40}:[ \t]*(?:\n|$)")
_SIDE = re.compile(r"\b(?P<side>left|right|bilateral\w*|bibasilar|both|lt|rt|unilateral|l|r)\b(?![\w'])")
_SITE = re.compile(
    r"\b(?P<site>(?:(?:left|right) )?(?:(?:upper|middle|lower) (?:lobes?|lung|zone|extremit\w+)|lobes?|base|hilum|perihilar|lingula|apex|[lr][ul]l\b|rml)|[lr](?:ul|ml|ll)\b|bibasilar|bases|retrocardiac|lung fields|"
    r"sacr\w+|coccy\w+|heels?|ischi\w+|trochanter\w*|buttocks?|gluteal|ankle|malleol\w+|elbow|occip\w+|scapula|hip|back|"
    r"femoral neck|intertrochanteric|subtrochanteric|femur|femoral|distal radius|radius|ulna|humer\w+|tibia\w*|tibial plateau|fibula\w*|pelvi\w+|pubic ram\w+|ribs?|vertebra\w*|[ltc]\d{1,2}\b|clavicle|patella|metatarsal|metacarpal|wrist|ankle|acetabul\w+|skull|orbit\w*|"
    r"frontal|parietal|temporal|occipital|cerebell\w+|pontine|pons|thalam\w+|basal ganglia|mca|aca|pca|insula|subdural|subarachnoid|intraparenchymal|epidural|retroperitoneal|"
    r"popliteal|common femoral|iliac|peroneal|calf|subclavian|axillary|jugular|segmental|subsegmental|main pulmonary arter\w+|saddle|lower extremit\w+|legs?|feet|knees?|shins?|thighs?|liver|hepatic|lungs?|kidneys?|brain|bones?|spine|abdomen)\b"
)
_GRADE = re.compile(
    r"\b(?P<grade>[1-4]\+|trace|mild(?:ly)?|moderate(?:ly)?|severe(?:ly)?|marked(?:ly)?|large|small|massive|extensive|diffuse|minimal|acute|chronic|subacute|old|new|stable|unchanged|worsening|improved|comminuted|displaced|nondisplaced|non-displaced|impacted|compression|pathologic\w*)(?!\w)"
)
_STAGE = re.compile(
    r"\b(?:(?:stage|stg|grade|category)[ :]*(?P<stage>[1-4]|i{1,3}|iv)\b|(?P<other>unstageable|deep tissue|dti\b|dtpi\b))"
)
_STAGES = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
_SIZE = re.compile(r"\b(?P<size>\d{1,2}(?:\.\d)?(?:[ ]?x[ ]?\d{1,2}(?:\.\d)?){0,2}[ ]?(?:cm|mm))\b")
_LOSS = re.compile(r"[^.;\n\d]{0,12}(?P<n>\d{1,2},\d{3}|\d{2,4}|\d(?:\.\d)?)[ ]?(?P<unit>ml|cc|l|liters?)\b")
_ON_ADMISSION = re.compile(r"\b(?:poa|present on (?:admission|arrival))\b")
_NORMAL_AFTER = re.compile(
    r"[^.;\n,]{0,24}?\b(?:resolved|cleared|normalized|not (?:seen|present|appreciated|identified|noted)|absent|improved to baseline)\b"
)
_SKIPPED = frozenset({"allergies", "family_history", "social_history"})
_PAST_SECTIONS = frozenset({"pmh", "psh"})
_IMAGING_SECTIONS = frozenset({"imaging"})
_NOT_AFTER = re.compile(
    r"[ -](?:protocol|precautions?|risk|prophylaxis|ppx|screening|score|education|prevention|history|clinic|unit|\bvs\.?[ ]|thickness|consult\w*)\b"
)
_GENERIC = re.compile(
    r"\b(?:neck|leg|arm|foot|hand|shoulder|hip|knee|ankle|wrist|pelvis|spine|femur|elbow|rib|tib|forearm|lumbar|cervical|thoracic|sinus|facial)\b"
)


def _study_before(place: Place, start: int) -> tuple[str, str, int] | None:
    """Region and words of the study that a finding belongs to: the last one named before it in its paragraph."""
    first = max(0, start - _LOOK_BACK)
    window = place.lower[first:start]
    for m in _PARAGRAPH.finditer(window):
        heading = m[0].strip()
        if heading.endswith(":") and _STUDY.search(heading):
            continue
        window, first = " " * m.start() + window[m.start() :], first
    studies = list(_STUDY.finditer(window))
    if not studies:
        return None
    last = studies[-1]
    return last.lastgroup or "any", last[0], first + last.start()


def _sentence(place: Place, start: int, end: int) -> tuple[str, str]:
    """Words before and after a finding, in its sentence."""
    before = re.split(r"[.;\n]", place.lower[max(0, start - 70) : start])[-1]
    after = re.split(r"[.;\n]", place.lower[end : end + 70])[0]
    return before, after


def _details(place: Place, hit: Hit, *, is_wound: bool) -> list[tuple[str, str]]:
    before, after = _sentence(place, hit.start, hit.end)
    near_before = before if is_wound else re.split(r",| and | with ", before)[-1]
    near_after = after if is_wound else re.split(r",| and (?!right|left|bilateral|lower|upper)| with ", after)[0]
    name = place.lower[hit.start : hit.end]
    details: list[tuple[str, str]] = []
    for key, pattern in (("side", _SIDE), ("site", _SITE), ("grade", _GRADE)):
        found = (
            [m[key] for m in pattern.finditer(near_before)][-1:]
            or [m[key] for m in pattern.finditer(name)][:1]
            or [m[key] for m in pattern.finditer(near_after)][:1]
        )
        if found:
            details.append((key, _side(found[0]) if key == "side" else found[0]))
    stage = _STAGE.search(near_before + name) or _STAGE.search(near_after) if is_wound else None
    if stage is not None:
        said = stage["stage"]
        details.append(
            ("stage", _STAGES.get(said, said) if said else "unstageable" if stage["other"] == "unstageable" else "deep tissue")
        )
    size = _SIZE.search(near_before) or _SIZE.search(near_after)
    if size is not None:
        details.append(("size", size["size"]))
    if is_wound and (_ON_ADMISSION.search(after) or _ON_ADMISSION.search(before)):
        details.append(("present on admission", "yes"))
    return details


def _side(word: str) -> str:
    return (
        "bilateral"
        if word.startswith("bi") or word == "both"
        else {"l": "left", "lt": "left", "r": "right", "rt": "right"}.get(word, word)
    )


def read_findings(place: Place, hits: Iterable[Hit]) -> list[Indicator]:
    """Read imaging and examination findings among the terms of a note.

    Parameters
    ----------
    place : Place
    hits : iterable of Hit
    """
    found = []
    lower = place.lower
    for hit in hits:
        term = hit.term
        if term.table != "findings":
            continue
        section = place.section(hit.start)
        if section in _SKIPPED or _NOT_AFTER.match(lower, hit.end) or place.is_relative(hit.start):
            continue
        name = term.name
        details: list[tuple[str, str]] = []
        if term.category == "imaging":
            study = _study_before(place, hit.start)
            if study is not None and term.group in _ALLOWED[study[0]]:
                region = study[0] if term.group == "any" else term.group
                details.append(("study", study[1]))
            elif section in _IMAGING_SECTIONS:
                region = term.group
            else:
                continue
            name = f"{_REGION_NAMES[region]}:{term.name}"
        asserted = place.asserted(hit.start, hit.end)
        if asserted == "present" and _NORMAL_AFTER.match(lower, hit.end):
            asserted = "absent"
        if asserted == "present" and section in _PAST_SECTIONS:
            asserted = "historical"
        is_wound = term.name == "pressure_injury"
        details += _details(place, hit, is_wound=is_wound)
        value, unit, given, end = None, "", place.text[hit.start : hit.end], hit.end
        if term.name == "blood_loss":
            amount = _LOSS.match(lower, hit.end)
            if amount is None:
                continue
            number = float(amount["n"].replace(",", ""))
            value, unit = (number * 1000 if amount["unit"].startswith("l") else number), "mL"
            given, end = place.text[amount.start("n") : amount.end()], amount.end()
        found.append(
            Indicator(
                name,
                "imaging" if term.category == "imaging" else "examination",
                Span(hit.start, end),
                value=value,
                unit=unit,
                given=given,
                result="absent" if asserted == "absent" else "present" if asserted == "present" else "",
                when=place.line_when(hit.start),
                section=section,
                asserted=asserted,
                details=tuple(details),
            )
        )
    return found


def finding_names() -> Iterator[str]:
    """Yield the name of every imaging and examination finding."""
    for term, _ in load_terms():
        if term.table != "findings":
            continue
        if term.category == "examination":
            yield term.name
        elif term.group == "any":
            yield from (f"{_REGION_NAMES[region]}:{term.name}" for region, allowed in _ALLOWED.items() if "any" in allowed)
        else:
            yield f"{_REGION_NAMES[term.group]}:{term.name}"
