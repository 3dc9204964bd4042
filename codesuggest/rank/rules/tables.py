"""Read the reviewed rule tables of this folder and the map of personal and family history."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

__all__ = ["Combination", "HistoryMap", "Rules"]


@dataclass(frozen=True, slots=True)
class Combination:
    """When all groups are documented, a combination code replaces what it removes.

    Parameters
    ----------
    groups : tuple of tuple of str
        Alternatives (code prefixes, no dot at the end) of each group.
    result : str
        Code; empty when only something steps back.
    removes : tuple of str
        Code prefixes.
    citation : str
    """

    groups: tuple[tuple[str, ...], ...]
    result: str
    removes: tuple[str, ...]
    citation: str


@dataclass(frozen=True, slots=True)
class HistoryMap:
    """Disease prefix to its personal-history and family-history codes; ``current`` means the condition stays as it is."""

    personal: dict[str, str]
    family: dict[str, str]

    def personal_of(self, code: str) -> str:
        """Return the personal-history code, ``"current"``, or an empty string."""
        return _longest(self.personal, code)

    def family_of(self, code: str) -> str:
        """Return the family-history code, or an empty string."""
        return _longest(self.family, code)


def _longest(table: dict[str, str], code: str) -> str:
    for end in range(len(code), 0, -1):
        hit = table.get(code[:end])
        if hit is not None:
            return hit
    return ""


@dataclass(frozen=True, slots=True)
class Rules:
    """All rule tables of the ranker."""

    combinations: tuple[Combination, ...]
    integral: dict[str, tuple[tuple[str, ...], ...]]
    history: HistoryMap

    @classmethod
    def default(cls) -> Rules:
        """Read the tables that ship with the package.

        Examples
        --------
        >>> Rules.default().integral_to("R06.02", ["I50.23", "I10"])
        'I50.23'
        """
        combinations = []
        for when, then, removes, citation in _rows("codesuggest.rank.rules", "combinations.tsv", 4):
            combinations.append(
                Combination(tuple(tuple(g.split("|")) for g in when.split()), then, tuple(removes.split()), citation)
            )
        integral: dict[str, list[tuple[str, ...]]] = {}
        for diagnoses, symptoms in _rows("codesuggest.rank.rules", "integral.tsv", 2):
            for symptom in symptoms.split():
                integral.setdefault(symptom, []).append(tuple(diagnoses.split()))
        personal: dict[str, str] = {}
        family: dict[str, str] = {}
        for prefix, own, relatives, _ in _rows("codesuggest.extract.patterns", "history_of.tsv", 4):
            if own:
                personal[prefix] = own
            if relatives:
                family[prefix] = relatives
        return cls(tuple(combinations), {k: tuple(v) for k, v in integral.items()}, HistoryMap(personal, family))

    def integral_to(self, symptom: str, diagnoses: list[str]) -> str:
        """Return the diagnosis a symptom belongs to, or an empty string."""
        for end in range(len(symptom), 2, -1):
            for prefixes in self.integral.get(symptom[:end], ()):
                for diagnosis in diagnoses:
                    if diagnosis.startswith(prefixes):
                        return diagnosis
        return ""


def _rows(package: str, name: str, columns: int) -> list[list[str]]:
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    lines = [x for x in text.splitlines() if x and not x.startswith("#")]
    return [(line.split("\t") + [""] * columns)[:columns] for line in lines[1:]]
