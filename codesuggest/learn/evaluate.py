"""Measure a model on coded notes: how right, how well ranked, how well supported, how well calibrated.

What is counted
    The codes of a coded note count as given, whether billable or not, and whether or not the model could ever have suggested
    them. A note that cannot be read counts: all its codes are missed. Precision, recall and F1 are of the codes put forward
    (``selected``); rankings and calibration are of everything listed.
What is kept
    Codes, probabilities, note ids and offsets, never text.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from codesuggest.codes import Release
from codesuggest.errors import CodesuggestError, ConfigError, InputFormatError
from codesuggest.learn import metrics
from codesuggest.learn.faithfulness import Faithfulness, measure_faithfulness
from codesuggest.learn.metrics import CurvePoint, Overlap, ReliabilityBin
from codesuggest.learn.practice import CodedNote
from codesuggest.learn.resampling import Interval, Measure, PairedMeasure, bootstrap, compare_measures
from codesuggest.records import Failure, Note, Result, Span

__all__ = [
    "FIGURES",
    "CodeErrors",
    "Comparison",
    "CostlyError",
    "Evaluation",
    "Experts",
    "Figure",
    "Group",
    "Misses",
    "ScoredCode",
    "ScoredNote",
    "chapter_namer",
    "compare",
    "evaluate",
    "score_notes",
]

KS = (1, 3, 5, 10, 20)
N_BINS = 10
_N_ERRORS = 50
_FLOOR = 1e-3
_OWN_BINS = "ece_mass"  # every model has bins of its own, so two are not compared by it
Floats = NDArray[np.float64]
_Draw = Callable[[Sequence[Measure]], dict[str, Interval]]


class Suggests(Protocol):
    """What is needed of a suggester."""

    threshold: float

    def suggest(self, note: Note) -> Result:
        """Suggest codes for one note."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure of a report is called.

    Parameters
    ----------
    name : str
        Key in `Evaluation.figures`.
    family : str
        Heading it stands under.
    label : str
    lower_is_better : bool
    """

    name: str
    family: str
    label: str
    lower_is_better: bool = False


def _figure_table() -> tuple[Figure, ...]:
    rows = []
    for prefix, family in (("", "Codes put forward"), ("three_", "Codes put forward, at three characters")):
        for way, of in (("micro", "over all codes (micro)"), ("macro", "mean over codes (macro)")):
            rows += [Figure(f"{prefix}{way}_{m}", family, f"{label}, {of}") for m, label in _PRF]
    rows += [Figure("map", "Ranking", "Mean average precision (MAP)"), Figure("r_precision", "Ranking", "R-precision")]
    rows += [Figure(f"recall_at_{k}", "Ranking", f"Recall at {k}") for k in KS]
    rows += [Figure(f"precision_at_{k}", "Ranking", f"Precision at {k}") for k in KS]
    rows += [Figure(name, "Evidence of right codes", label) for name, label, _ in _EVIDENCE]
    rows += [
        Figure("ece_width", "Calibration", "Expected calibration error, bins of equal width", lower_is_better=True),
        Figure("ece_mass", "Calibration", "Expected calibration error, bins of equal mass", lower_is_better=True),
        Figure("brier", "Calibration", "Brier score", lower_is_better=True),
    ]
    return tuple(rows)


_PRF = (("precision", "Precision"), ("recall", "Recall"), ("f1", "F1"))
# name, label, numerator and denominator among the sums of Overlap (F1s: twice the numerator)
_EVIDENCE: tuple[tuple[str, str, tuple[float, str, tuple[str, ...]]], ...] = (
    ("evidence_meets", "Best span meets the expert's", (1, "best_meets", ("n",))),
    ("evidence_iou", "Overlap of the best span (mean IoU of characters)", (1, "best_iou", ("n",))),
    ("evidence_exact", "Best span is exactly the expert's", (1, "best_exact", ("n",))),
    ("evidence_exact_f1", "F1 of exact spans, all spans", (2, "n_exact", ("n_shown", "n_expert"))),
    ("evidence_token_f1", "F1 of words", (2, "tokens_both", ("tokens_shown", "tokens_expert"))),
    ("evidence_span_recall", "Expert's spans that are met", (1, "n_met", ("n_expert",))),
)
FIGURES: tuple[Figure, ...] = _figure_table()
"""Every figure of `Evaluation.figures`, in the order of the report."""


# ---------------------------------------------------------------------------------------------------------------------
# values


@dataclass(frozen=True, slots=True)
class ScoredCode:
    """A code of a note: suggested, final, or both.

    Parameters
    ----------
    code : str
        Dotted.
    rank : int or None
        Place in the list of suggestions; None when it is not listed.
    probability : float or None
    selected : bool
        Whether it was put forward.
    is_final : bool
        Whether it is among the note's coded codes.
    section : str
        Section of its first evidence: as suggested, else the expert's; ``"not marked"`` when there is none.
    spans, final_spans : tuple of Span
        Evidence shown, the most telling first; the expert's, in order of the text.
    overlap : Overlap or None
        When both have evidence.
    """

    code: str
    rank: int | None
    probability: float | None
    selected: bool
    is_final: bool
    section: str
    spans: tuple[Span, ...] = ()
    final_spans: tuple[Span, ...] = ()
    overlap: Overlap | None = None


@dataclass(frozen=True, slots=True)
class ScoredNote:
    """A coded note and what the model said about it, without its text.

    Parameters
    ----------
    note_id : str
    kind, setting : str or None
    codes : tuple of ScoredCode
        Suggestions by rank, then final codes that are not listed, by code.
    coder : str or None
        Who gave the final codes, where that is known.
    """

    note_id: str
    kind: str | None
    setting: str | None
    codes: tuple[ScoredCode, ...]
    coder: str | None = None

    @property
    def listed(self) -> tuple[ScoredCode, ...]:
        """The suggestions, best first."""
        return tuple(c for c in self.codes if c.rank is not None)

    @property
    def final(self) -> frozenset[str]:
        """The final codes."""
        return frozenset(c.code for c in self.codes if c.is_final)

    @property
    def selected(self) -> frozenset[str]:
        """The codes put forward."""
        return frozenset(c.code for c in self.codes if c.selected)


@dataclass(frozen=True, slots=True)
class Group:
    """Results of a part of the codes.

    Parameters
    ----------
    name : str
    n_notes : int
        Notes with such a code, put forward or final.
    n_right, n_false, n_missed : int
    precision, recall : float
    f1 : Interval
    """

    name: str
    n_notes: int
    n_right: int
    n_false: int
    n_missed: int
    precision: float
    recall: float
    f1: Interval


@dataclass(frozen=True, slots=True)
class Misses:
    """Where the missed codes were lost; they sum to all missed codes.

    Parameters
    ----------
    sibling : int
        Another code of the same category was put forward wrongly in its place.
    below_threshold : int
        Listed, but not probable enough.
    not_listed : int
        Never suggested for the note.
    """

    sibling: int
    below_threshold: int
    not_listed: int


@dataclass(frozen=True, slots=True)
class CostlyError:
    """One wrong answer.

    Parameters
    ----------
    note_id, code : str
    kind : {"false", "missed"}
        Put forward and wrong, or final and not put forward.
    probability : float or None
        None when the code was not listed.
    cost : float
        Surprise in bits: ``-log2(1 - p)`` of a false code, ``-log2(p)`` of a missed one, p at least 0.001.
    section : str
    spans : tuple of Span
        Where to look: evidence of a false code, the expert's of a missed one (else what was shown).
    instead : tuple of str
        For a missed code, what was wrongly put forward in its category; for a false code, what was missed in its category.
    """

    note_id: str
    code: str
    kind: str
    probability: float | None
    cost: float
    section: str
    spans: tuple[Span, ...]
    instead: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CodeErrors:
    """How often a code went wrong.

    Parameters
    ----------
    code, title : str
        The title is empty for a code that the release does not hold.
    n_right, n_false, n_missed : int
    """

    code: str
    title: str
    n_right: int
    n_false: int
    n_missed: int


@dataclass(frozen=True, slots=True)
class Experts:
    """The model against two experts who coded the same notes.

    Parameters
    ----------
    n_notes : int
        Notes that both coded.
    precision_either : Interval
        Share of the codes put forward that at least one expert gave.
    recall_both : Interval
        Share of the codes on which the experts agree that were put forward.
    agreement_f1, agreement_f1_three : Interval
        One expert's codes against the other's; at three characters.
    """

    n_notes: int
    precision_either: Interval
    recall_both: Interval
    agreement_f1: Interval
    agreement_f1_three: Interval


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a model does on coded notes.

    Parameters
    ----------
    name : str
    versions : mapping of str to str
        Library, model and code release.
    threshold : float
        From which probability codes were put forward.
    n_notes, n_final, n_selected, n_listed : int
        Notes; final codes; codes put forward; codes listed.
    figures : mapping of str to Interval
        Keys as in `FIGURES`.
    reliability_width, reliability_mass : tuple of ReliabilityBin
    curve : tuple of CurvePoint
    by_chapter, by_section, by_kind, by_setting : tuple of Group
        Sections are those of the first evidence.
    misses : Misses
    errors : tuple of CostlyError
        The costliest, at most fifty, false and missed codes in equal parts while both last; at equal cost the codes that go
        wrong most often.
    by_code : tuple of CodeErrors
        Codes that went wrong, most often first, at most fifty.
    faithfulness : Faithfulness or None
    experts : Experts or None
    failures : tuple of Failure
        Notes that could not be read; their codes count as missed.
    n_draws, seed, level
        Of the bootstrap intervals.
    notes : tuple of ScoredNote
        The rows that everything was computed from; not part of the JSON.
    """

    name: str
    versions: Mapping[str, str]
    threshold: float
    n_notes: int
    n_final: int
    n_selected: int
    n_listed: int
    figures: Mapping[str, Interval]
    reliability_width: tuple[ReliabilityBin, ...]
    reliability_mass: tuple[ReliabilityBin, ...]
    curve: tuple[CurvePoint, ...]
    by_chapter: tuple[Group, ...]
    by_section: tuple[Group, ...]
    by_kind: tuple[Group, ...]
    by_setting: tuple[Group, ...]
    misses: Misses
    errors: tuple[CostlyError, ...]
    by_code: tuple[CodeErrors, ...]
    faithfulness: Faithfulness | None
    experts: Experts | None
    failures: tuple[Failure, ...]
    n_draws: int
    seed: int
    level: float
    notes: tuple[ScoredNote, ...] = field(repr=False)

    def __getitem__(self, name: str) -> float:
        """Return one figure, such as ``evaluation["micro_f1"]``."""
        return self.figures[name].value

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the report: figures to six digits, None where a figure is not defined."""
        plain = {f.name: as_json(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "notes"}
        return {"schema": 1, **plain}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same notes.

    Parameters
    ----------
    a, b : str
        Names of the models.
    n_notes : int
    figures : tuple of PairedMeasure
    n_both_right, n_only_a_right, n_only_b_right, n_neither_right : int
        Final codes put forward by both, by one alone, by none.
    n_draws, n_swaps, seed, level
    """

    a: str
    b: str
    n_notes: int
    figures: tuple[PairedMeasure, ...]
    n_both_right: int
    n_only_a_right: int
    n_only_b_right: int
    n_neither_right: int
    n_draws: int
    n_swaps: int
    seed: int
    level: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {f.name: as_json(getattr(self, f.name)) for f in dataclasses.fields(self)}


def as_json(value: Any) -> Any:  # noqa: ANN401 - any of the values above
    """Return plain lists, dicts, strings and numbers to six digits; None for NaN."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, Span):
        return [value.start, value.end]
    if isinstance(value, Failure):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [as_json(v) for v in value]
    if dataclasses.is_dataclass(value):
        return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


# ---------------------------------------------------------------------------------------------------------------------
# scoring


def score_notes(
    suggester: Suggests, coded_notes: Iterable[CodedNote]
) -> tuple[tuple[ScoredNote, ...], tuple[Failure, ...], Mapping[str, str]]:
    """Suggest codes for coded notes and set them beside the final ones.

    Returns
    -------
    notes : tuple of ScoredNote
    failures : tuple of Failure
        Notes that could not be read; they are among `notes` too, with every code missed.
    versions : mapping of str to str
        As the results state them.

    Raises
    ------
    InputFormatError
        CS513 when an id comes twice, CS515 when evidence lies outside the text.
    """
    notes: list[ScoredNote] = []
    failures: list[Failure] = []
    versions: Mapping[str, str] = {}
    seen: set[str] = set()
    for coded in coded_notes:
        note = coded.note
        if note.note_id in seen:
            raise InputFormatError(
                "CS513", f"The note id {note.note_id!r} comes twice. Expected one coded note an id. Merge or rename them."
            )
        seen.add(note.note_id)
        final = _final_spans(coded)
        result: Result | None = None
        try:
            result = suggester.suggest(note)
        except CodesuggestError as error:
            failures.append(Failure(note.note_id, error.error_id, error.message))
        if result is not None and not versions:
            versions = dict(result.versions)
        notes.append(ScoredNote(note.note_id, note.kind, note.setting, _score(note, final, result), coded.coder))
    return tuple(notes), tuple(failures), versions


def _final_spans(coded: CodedNote) -> dict[str, tuple[Span, ...]]:
    spans: dict[str, set[Span]] = {_dotted(code): set() for code in coded.codes}
    for code, span in coded.evidence:
        if span.end > len(coded.note.text):
            raise InputFormatError(
                "CS515",
                f"Note {coded.note.note_id!r}: the evidence of {code} ends at {span.end}, the text at {len(coded.note.text)}. "
                "Expected offsets into the text. Were they counted in bytes, or for another version of the note?",
            )
        if _dotted(code) in spans:
            spans[_dotted(code)].add(span)
    return {code: tuple(sorted(found)) for code, found in spans.items()}


def _dotted(code: str) -> str:
    bare = code.strip().upper().replace(".", "")
    return bare if len(bare) <= 3 else f"{bare[:3]}.{bare[3:]}"


def _score(note: Note, final: Mapping[str, tuple[Span, ...]], result: Result | None) -> tuple[ScoredCode, ...]:
    listed: list[ScoredCode] = []
    for s in result.suggestions if result else ():
        shown = [e for e in s.evidence if e.role == "supports"]
        spans = tuple(e.span for e in shown)
        expert = final.get(s.code, ())
        listed.append(
            ScoredCode(
                s.code,
                s.rank,
                s.probability,
                s.selected,
                s.code in final,
                shown[0].section if shown else "not marked",
                spans,
                expert,
                metrics.overlap(note.text, spans, expert) if expert else None,
            )
        )
    known = {c.code for c in listed}
    for code in sorted(set(final) - known):
        listed.append(ScoredCode(code, None, None, False, True, _section_at(result, final[code]), (), final[code]))
    return tuple(listed)


def _section_at(result: Result | None, spans: Sequence[Span]) -> str:
    if not spans or result is None:
        return "not marked"
    return next((s.name for s in result.sections if s.span.start <= spans[0].start < s.span.end), "other")


# ---------------------------------------------------------------------------------------------------------------------
# figures


def _three(codes: Iterable[str]) -> frozenset[str]:
    return frozenset(metrics.category(c) for c in codes)


def _counts(selected: frozenset[str], final: frozenset[str]) -> tuple[int, int, int]:
    return len(selected & final), len(selected - final), len(final - selected)


def _by_code(notes: Sequence[ScoredNote], columns: Mapping[str, int], *, three: bool) -> Any:  # noqa: ANN401 - SciPy has no types
    """Return (notes, 3 x codes): true positives, false positives, false negatives of each code."""
    row, column = [], []
    for i, note in enumerate(notes):
        selected, final = (_three(note.selected), _three(note.final)) if three else (note.selected, note.final)
        for kind, found in enumerate((selected & final, selected - final, final - selected)):
            row += [i] * len(found)
            column += [3 * columns[code] + kind for code in found]
    return sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(len(notes), 3 * len(columns)))


def _mean_rows(values: Sequence[float]) -> Floats:
    """Return (notes, 2): the value and one, or two zeros where it is not defined."""
    array = np.asarray(values, np.float64)
    return np.column_stack([np.nan_to_num(array), ~np.isnan(array)])


def _mean(sums: Floats) -> Floats:
    return _share(sums[:, 0], sums[:, 1])


def _share(part: Floats, whole: Floats) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return share


def _bin_rows(notes: Sequence[ScoredNote], edges: Floats) -> Floats:
    """Return (notes, bins x 3): number, sum of probabilities and right codes of the suggestions in each bin."""
    table = np.zeros((len(notes), len(edges) + 1, 3))
    for i, note in enumerate(notes):
        probabilities, right = _probabilities([note])
        np.add.at(
            table[i],
            np.searchsorted(edges, probabilities, side="right"),
            np.column_stack([np.ones_like(right), probabilities, right]),
        )
    return table.reshape(len(notes), -1)


def _probabilities(notes: Sequence[ScoredNote]) -> tuple[Floats, Floats]:
    pairs = [(c.probability, c.is_final) for note in notes for c in note.codes if c.probability is not None]
    return np.array([p for p, _ in pairs], np.float64), np.array([y for _, y in pairs], np.float64)


def _evidence_rows(notes: Sequence[ScoredNote]) -> tuple[Floats, dict[str, int]]:
    names = [f.name for f in dataclasses.fields(Overlap)]
    table = np.zeros((len(notes), len(names) + 1))
    for i, note in enumerate(notes):
        for c in note.codes:
            if c.selected and c.is_final and c.overlap is not None:
                table[i] += [*(float(getattr(c.overlap, name)) for name in names), 1.0]
    return table, {name: k for k, name in enumerate([*names, "n"])}


@dataclass(frozen=True, slots=True)
class _Frame:
    """Columns that two models must share to be compared."""

    codes: Mapping[str, int]
    categories: Mapping[str, int]
    width: Floats
    mass: Floats

    @classmethod
    def of(cls, *sets: Sequence[ScoredNote]) -> _Frame:
        notes = [note for part in sets for note in part]
        codes = sorted({c.code for note in notes for c in note.codes if c.selected or c.is_final})
        probabilities, _ = _probabilities(notes)
        return cls(
            {code: i for i, code in enumerate(codes)},
            {code: i for i, code in enumerate(sorted(_three(codes)))},
            metrics.bin_edges(probabilities, n_bins=N_BINS, equal_mass=False),
            metrics.bin_edges(probabilities, n_bins=N_BINS, equal_mass=True),
        )


def _macro(place: int) -> Callable[[Floats], Floats]:
    return lambda sums: metrics.macro_scores(sums.reshape(len(sums), -1, 3))[:, place]


def _ece(sums: Floats) -> Floats:
    return metrics.expected_calibration_error(sums.reshape(len(sums), -1, 3))


def _evidence_share(factor: float, part: int, whole: Sequence[int]) -> Callable[[Floats], Floats]:
    return lambda sums: _share(factor * sums[:, part], sums[:, list(whole)].sum(axis=1))


def _measures(notes: Sequence[ScoredNote], frame: _Frame) -> list[Measure]:
    """Return the measures of `FIGURES`, in that order."""
    found: dict[str, Measure] = {}

    def add(name: str, rows: Any, statistic: Callable[[Floats], Floats]) -> None:  # noqa: ANN401 - dense or sparse
        found[name] = Measure(name, rows, statistic)

    for prefix, three in (("", False), ("three_", True)):
        pairs = [(_three(n.selected), _three(n.final)) if three else (n.selected, n.final) for n in notes]
        counts = np.array([_counts(*pair) for pair in pairs], np.float64).reshape(len(notes), 3)
        by_code = _by_code(notes, frame.categories if three else frame.codes, three=three)
        for place, (name, share) in enumerate((("precision", metrics.precision), ("recall", metrics.recall), ("f1", metrics.f1))):
            add(f"{prefix}micro_{name}", counts, share)
            add(f"{prefix}macro_{name}", by_code, _macro(place))
    rankings = [(n.final, [c.code for c in n.listed]) for n in notes]
    add("map", _mean_rows([metrics.average_precision(*r) for r in rankings]), _mean)
    add("r_precision", _mean_rows([metrics.r_precision(*r) for r in rankings]), _mean)
    for k in KS:
        add(f"recall_at_{k}", _mean_rows([metrics.recall_at_k(*r, k=k) for r in rankings]), _mean)
        add(f"precision_at_{k}", _mean_rows([metrics.precision_at_k(*r, k=k) for r in rankings]), _mean)
    rows, place_of = _evidence_rows(notes)
    for name, _, (factor, part, whole) in _EVIDENCE:
        add(name, rows, _evidence_share(factor, place_of[part], [place_of[w] for w in whole]))
    add("ece_width", _bin_rows(notes, frame.width), _ece)
    add("ece_mass", _bin_rows(notes, frame.mass), _ece)
    squares = [_probabilities([n]) for n in notes]
    add("brier", np.array([[float(np.sum((p - y) ** 2)), len(p)] for p, y in squares], np.float64), _mean)
    return [found[f.name] for f in FIGURES]


# ---------------------------------------------------------------------------------------------------------------------
# parts


def chapter_namer(release: Release | None) -> Callable[[str], str]:
    """Return a function from a code to the name of its chapter, by the chapter's first and last category.

    Final codes of an older release have a chapter too, so the code need not be in the release.
    """
    chapters = release.chapters if release is not None else ()

    def name(code: str) -> str:
        head = metrics.category(code)
        return next((f"{c.number}. {c.title}" for c in chapters if c.first <= head <= c.last), "unknown")

    return name


def _groups(
    notes: Sequence[ScoredNote],
    draw: _Draw,
    name_of: Callable[[ScoredNote, ScoredCode], str],
    order: Callable[[str], Any] | None = None,
) -> tuple[Group, ...]:
    table: dict[str, Floats] = defaultdict(lambda: np.zeros((len(notes), 3)))
    for i, note in enumerate(notes):
        for c in note.codes:
            if c.selected or c.is_final:
                table[name_of(note, c)][i, 0 if c.selected and c.is_final else 1 if c.selected else 2] += 1
    if not table:
        return ()
    intervals = draw([Measure(name, rows, metrics.f1) for name, rows in table.items()])
    groups = []
    for name, rows in table.items():
        total = rows.sum(axis=0)
        right, false, missed = (int(v) for v in total)
        n_notes = int(np.count_nonzero(rows.sum(axis=1)))
        scores = float(metrics.precision(total)), float(metrics.recall(total))
        groups.append(Group(name, n_notes, right, false, missed, *scores, intervals[name]))
    key = order or (lambda name: (-sum(table[name].sum(axis=0)[[0, 2]]), name))
    return tuple(sorted(groups, key=lambda g: key(g.name)))


def _chapter_order(name: str) -> tuple[int, str]:
    number = name.partition(".")[0]
    return (int(number) if number.isdigit() else 99, name)


def _wrong_in_category(note: ScoredNote) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    false: dict[str, list[str]] = defaultdict(list)
    missed: dict[str, list[str]] = defaultdict(list)
    for c in sorted(note.codes, key=lambda c: c.code):
        if c.selected != c.is_final:
            (false if c.selected else missed)[metrics.category(c.code)].append(c.code)
    return false, missed


def _misses(notes: Sequence[ScoredNote]) -> Misses:
    lost: Counter[str] = Counter()
    for note in notes:
        false, _ = _wrong_in_category(note)
        for c in note.codes:
            if c.is_final and not c.selected:
                sibling = metrics.category(c.code) in false
                lost["sibling" if sibling else "below_threshold" if c.rank is not None else "not_listed"] += 1
    return Misses(lost["sibling"], lost["below_threshold"], lost["not_listed"])


def _costliest(notes: Sequence[ScoredNote]) -> tuple[CostlyError, ...]:
    found: dict[str, list[CostlyError]] = {"false": [], "missed": []}
    for note in notes:
        false, missed = _wrong_in_category(note)
        for c in note.codes:
            if c.selected == c.is_final:
                continue
            p = c.probability or 0.0
            kind, instead = ("false", missed) if c.selected else ("missed", false)
            cost = -math.log2(max(1 - p if c.selected else p, _FLOOR))
            spans = c.spans if c.selected else (c.final_spans or c.spans)
            others = tuple(instead.get(metrics.category(c.code), ()))
            found[kind].append(CostlyError(note.note_id, c.code, kind, c.probability, cost, c.section, spans, others))
    for errors in found.values():
        often = Counter(e.code for e in errors)
        errors.sort(key=lambda e: (-e.cost, -often[e.code], e.note_id, e.code))
    half = _N_ERRORS // 2
    n_false = min(len(found["false"]), max(half, _N_ERRORS - len(found["missed"])))
    chosen = [*found["false"][:n_false], *found["missed"][: _N_ERRORS - n_false]]
    return tuple(sorted(chosen, key=lambda e: -e.cost))


def _code_errors(notes: Sequence[ScoredNote], release: Release | None) -> tuple[CodeErrors, ...]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for note in notes:
        for c in note.codes:
            if c.selected or c.is_final:
                counts[c.code][0 if c.selected and c.is_final else 1 if c.selected else 2] += 1
    wrong = sorted((code for code, n in counts.items() if n[1] + n[2]), key=lambda c: (-counts[c][1] - counts[c][2], c))
    return tuple(
        CodeErrors(code, release.title(code) if release is not None and code in release else "", *counts[code])
        for code in wrong[:_N_ERRORS]
    )


def _experts(notes: Sequence[ScoredNote], second: Iterable[CodedNote], draw: _Draw) -> Experts | None:
    other = {n.note.note_id: frozenset(_dotted(c) for c in n.codes) for n in second}
    both = [(n.selected, n.final, other[n.note_id]) for n in notes if n.note_id in other]
    if not both:
        return None

    def counted(pairs: Iterable[tuple[frozenset[str], frozenset[str]]]) -> Floats:
        return np.array([_counts(*pair) for pair in pairs], np.float64)

    found = draw(
        [
            Measure("either", counted((s, a | b) for s, a, b in both), metrics.precision),
            Measure("both", counted((s, a & b) for s, a, b in both), metrics.recall),
            Measure("agreement", counted((a, b) for _, a, b in both), metrics.f1),
            Measure("agreement_three", counted((_three(a), _three(b)) for _, a, b in both), metrics.f1),
        ]
    )
    return Experts(len(both), found["either"], found["both"], found["agreement"], found["agreement_three"])


# ---------------------------------------------------------------------------------------------------------------------
# evaluate, compare


def evaluate(
    suggester: Suggests,
    coded_notes: Iterable[CodedNote],
    *,
    name: str = "model",
    release: Release | None = None,
    second: Iterable[CodedNote] | None = None,
    n_faithfulness: int = 30,
    n_draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Evaluation:
    r"""Measure a suggester on coded notes.

    Parameters
    ----------
    suggester : Suggester
        Its threshold decides which codes are put forward.
    coded_notes : iterable of CodedNote
        With evidence where it is known.
    name : str
        What the report calls the model.
    release : Release, optional
        For chapters and titles; the model's own when absent.
    second : iterable of CodedNote, optional
        Another expert's coding of some of the notes, found by note id.
    n_faithfulness : int
        Notes, drawn with the seed, on which evidence is removed and kept alone; 0 leaves it out.
    n_draws : int
        Draws of the bootstrap over notes.
    seed : int
    level : float in (0, 1)
        Of the intervals.

    Returns
    -------
    Evaluation

    Raises
    ------
    ConfigError
        CS514 when there are no notes or a setting is out of range.
    InputFormatError
        CS513 when an id comes twice, CS515 when evidence lies outside the text.

    Examples
    --------
    >>> from codesuggest.learn.practice import read_practice_note
    >>> from codesuggest.suggester import load
    >>> note = read_practice_note("id: n1\ncodes: I10\n---\nAssessment: [[Essential hypertension|I10]].\n")
    >>> evaluate(load(), [note], n_draws=10)["micro_f1"]
    1.0
    """
    coded = list(coded_notes)
    if not coded or n_draws < 1 or not 0 < level < 1 or n_faithfulness < 0:
        raise ConfigError(
            "CS514",
            f"Nothing is measured with {len(coded)} notes, n_draws={n_draws}, level={level}, n_faithfulness={n_faithfulness}. "
            "Expected at least one coded note, n_draws >= 1, 0 < level < 1 and n_faithfulness >= 0. Check the file and the part.",
        )
    if release is None:
        release = getattr(getattr(suggester, "model", None), "release", None)
    notes, failures, versions = score_notes(suggester, coded)
    frame = _Frame.of(notes)
    measures = _measures(notes, frame)
    draw = partial(bootstrap, n_draws=n_draws, seed=seed, level=level)
    probabilities, right = _probabilities(notes)
    sums = {m.name: np.asarray(m.rows.sum(axis=0)).reshape(-1, 3) for m in measures if m.name.startswith("ece_")}
    n_final = sum(len(n.final) for n in notes)
    chapter = chapter_namer(release)
    return Evaluation(
        name=name,
        versions=versions,
        threshold=float(suggester.threshold),
        n_notes=len(notes),
        n_final=n_final,
        n_selected=sum(len(n.selected) for n in notes),
        n_listed=len(probabilities),
        figures=draw(measures),
        reliability_width=metrics.reliability(sums["ece_width"], frame.width),
        reliability_mass=metrics.reliability(sums["ece_mass"], frame.mass),
        curve=metrics.precision_coverage(probabilities, right, n_final=n_final, n_notes=len(notes)),
        by_chapter=_groups(notes, draw, lambda _, c: chapter(c.code), _chapter_order),
        by_section=_groups(notes, draw, lambda _, c: c.section),
        by_kind=_groups(notes, draw, lambda n, _: n.kind or "not stated"),
        by_setting=_groups(notes, draw, lambda n, _: n.setting or "not stated"),
        misses=_misses(notes),
        errors=_costliest(notes),
        by_code=_code_errors(notes, release),
        faithfulness=measure_faithfulness(suggester, [c.note for c in coded], n_notes=n_faithfulness, seed=seed),
        experts=_experts(notes, second, draw) if second is not None else None,
        failures=failures,
        n_draws=n_draws,
        seed=seed,
        level=level,
        notes=notes,
    )


def compare(
    a: Evaluation, b: Evaluation, *, n_draws: int = 1000, n_swaps: int = 10_000, seed: int = 0, level: float = 0.95
) -> Comparison:
    """Compare two models evaluated on the same notes, figure by figure, with paired tests.

    Parameters
    ----------
    a, b : Evaluation
        Differences are ``b - a``.
    n_draws, n_swaps : int
        Draws of the paired bootstrap, and of the randomisation test.
    seed : int
    level : float in (0, 1)

    Returns
    -------
    Comparison
        Without the calibration error in bins of equal mass, for the bins are each model's own.

    Raises
    ------
    InputFormatError
        CS516 when the notes or their final codes differ.
    """
    if [(n.note_id, n.final) for n in a.notes] != [(n.note_id, n.final) for n in b.notes]:
        raise InputFormatError(
            "CS516",
            f"The evaluations of {a.name!r} ({a.n_notes} notes) and {b.name!r} ({b.n_notes} notes) are not of the same notes in "
            "the same order, with the same final codes. Expected one coded set for both. Evaluate both models on one file.",
        )
    frame = _Frame.of(a.notes, b.notes)
    pair = [[m for m in _measures(e.notes, frame) if m.name != _OWN_BINS] for e in (a, b)]
    figures = compare_measures(*pair, n_draws=n_draws, n_swaps=n_swaps, seed=seed, level=level)
    right: Counter[tuple[bool, bool]] = Counter()
    for na, nb in zip(a.notes, b.notes, strict=True):
        right.update((code in na.selected, code in nb.selected) for code in na.final)
    return Comparison(
        a.name,
        b.name,
        a.n_notes,
        figures,
        right[True, True],
        right[True, False],
        right[False, True],
        right[False, False],
        n_draws,
        n_swaps,
        seed,
        level,
    )
