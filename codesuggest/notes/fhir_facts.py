"""What FHIR resources say about patients, encounters and payers, and how they point to each other."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codesuggest.notes.days import day_of_fhir

__all__ = [
    "ENCOUNTER_CLASSES",
    "ID",
    "Facts",
    "Json",
    "as_list",
    "as_map",
    "codes_of",
    "id_of",
    "key_of",
    "keys_of",
    "loinc_of",
    "name_of",
    "reference_of",
]

Json = Mapping[str, Any]

ID = re.compile(r"[A-Za-z0-9\-._]{1,64}")
_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{2,40}/[A-Za-z0-9\-._]{1,64})(?:/_history/[^/]*)?", re.DOTALL)
# v3 ActCode, ActEncounterCode. A short stay (SS) is billed either way, and so it says nothing.
ENCOUNTER_CLASSES = {
    "IMP": "inpatient",
    "ACUTE": "inpatient",
    "NONAC": "inpatient",
    "AMB": "outpatient",
    "OBSENC": "outpatient",
    "VR": "outpatient",
    "HH": "outpatient",
    "FLD": "outpatient",
    "EMER": "emergency",
}


@dataclass(frozen=True, slots=True)
class _Encounter:
    encounter_id: str
    setting: str | None
    first: dt.date | None
    last: dt.date | None


@dataclass(slots=True)
class Facts:
    """What documents point to: patients, encounters, payers. Small values only, however large the export.

    Examples
    --------
    >>> facts = Facts()
    >>> facts.add({"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1952-05-05"})
    >>> facts.patient("Patient/p1")
    ('F', datetime.date(1952, 5, 5))
    """

    patients: dict[str, tuple[str | None, dt.date | None]] = field(default_factory=dict)
    encounters: dict[str, _Encounter] = field(default_factory=dict)
    payers: dict[str, str] = field(default_factory=dict)
    organizations: dict[str, str] = field(default_factory=dict)

    TYPES = ("Patient", "Encounter", "Coverage", "Organization", "Claim")

    def add(self, resource: Json, full_url: object = None) -> None:
        """Take what is needed of a resource."""
        kind = resource.get("resourceType")
        keys = keys_of(resource, full_url)
        if kind == "Patient":
            sex = {"female": "F", "male": "M", "other": "X"}.get(str(resource.get("gender")))
            for key in keys:
                self.patients[key] = (sex, day_of_fhir(resource.get("birthDate")))
        elif kind == "Encounter":
            period = as_map(resource.get("period")) or as_map(resource.get("actualPeriod"))
            found = _Encounter(
                id_of(resource) or (keys[0].rpartition(":")[2] if keys else ""),
                _setting(resource.get("class")),
                day_of_fhir(period.get("start")),
                day_of_fhir(period.get("end")),
            )
            for key in keys:
                self.encounters[key] = found
        elif kind == "Organization" and isinstance(resource.get("name"), str):
            for key in keys:
                self.organizations[key] = resource["name"][:200]
        elif kind == "Coverage" and resource.get("status") not in ("cancelled", "entered-in-error"):
            payers = as_list(resource.get("payor")) or [resource.get("insurer")]
            for payer in map(as_map, payers):
                self._add_payer(reference_of(resource.get("beneficiary")), payer)
        elif kind == "Claim" and resource.get("status") == "active":
            insurance = next((i for i in map(as_map, as_list(resource.get("insurance"))) if i.get("focal") is not False), {})
            for item in map(as_map, as_list(resource.get("item"))):
                for encounter in as_list(item.get("encounter")):
                    self._add_payer(reference_of(encounter), as_map(insurance.get("coverage")))

    def _add_payer(self, key: str, payer: Json) -> None:
        name = payer.get("display")
        if not isinstance(name, str) or not name.strip():
            name = reference_of(payer)
        if key and name:
            self.payers.setdefault(key, name[:200])

    def patient(self, key: str) -> tuple[str | None, dt.date | None]:
        """Sex and day of birth."""
        return self.patients.get(key, (None, None))

    def payer(self, encounter: str, patient: str) -> str | None:
        """Name of the payer, of the encounter before that of the patient."""
        found = self.payers.get(encounter) or self.payers.get(patient)
        return self.organizations.get(found, found) if found else None


def keys_of(resource: Json, full_url: object) -> list[str]:
    """Return the keys under which a resource is filed: type and id, and the URL that its bundle gives it."""
    keys = []
    if id_of(resource):
        keys.append(f"{resource.get('resourceType')}/{resource['id']}")
    if isinstance(full_url, str) and 0 < len(full_url) <= 500:
        key = key_of(full_url)
        if key not in keys:
            keys.append(key)
    return keys


def key_of(reference: str) -> str:
    """Return a reference as resources are filed: ``Patient/1`` however it is written, or the URN itself."""
    found = None if reference.startswith(("urn:", "#")) else _REFERENCE.fullmatch(reference)
    return found.group(1) if found else reference


def reference_of(value: object) -> str:
    """Return the key that a Reference points to; empty when it points to nothing."""
    given = as_map(value).get("reference")
    return key_of(given) if isinstance(given, str) and len(given) <= 500 else ""


def id_of(resource: Json) -> str:
    """Return the id of a resource; empty when it has none that FHIR allows."""
    given = resource.get("id")
    return given if isinstance(given, str) and ID.fullmatch(given) else ""


def _setting(given: object) -> str | None:
    concepts = given if isinstance(given, list) else [given]  # R5 has a list of concepts
    for concept in map(as_map, concepts):
        for coding in (concept, *map(as_map, as_list(concept.get("coding")))):
            if (found := ENCOUNTER_CLASSES.get(str(coding.get("code")))) is not None:
                return found
    return None


def codes_of(value: object) -> list[str]:
    """Return the codes of a concept or of a list of them."""
    concepts = value if isinstance(value, list) else [value]
    return [str(as_map(c).get("code")) for concept in concepts for c in as_list(as_map(concept).get("coding"))]


def loinc_of(concept: object) -> str:
    """Return the first LOINC code of a concept; empty when it has none."""
    for coding in map(as_map, as_list(as_map(concept).get("coding"))):
        code = coding.get("code")
        if coding.get("system") == "http://loinc.org" and isinstance(code, str) and re.fullmatch(r"\d{1,7}-\d", code):
            return code
    return ""


def name_of(concept: object) -> str:
    """Return the words of a concept, on one line."""
    given = as_map(concept)
    names = [given.get("text"), *(as_map(c).get("display") for c in as_list(given.get("coding")))]
    return " ".join(next((n for n in names if isinstance(n, str) and n.strip()), "").split())[:200]


def as_map(value: object) -> Json:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
