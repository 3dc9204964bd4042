"""An evaluation for people: plain tables, and one HTML page with its plots inside.

The page has no scripts and fetches nothing. No text of a note is in it: note ids, codes and offsets only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from codesuggest.html_page import html_page, html_table, need_matplotlib, number_class, svg_image
from codesuggest.learn.evaluate import FIGURES, KS, Comparison, CostlyError, Evaluation, Figure, Group, as_json
from codesuggest.learn.guarantee import Guarantee
from codesuggest.learn.resampling import Interval
from codesuggest.records import Span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PlainTable", "Report", "plain_tables", "report_html"]

_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#8a8f98"
_HEADLINES = (
    "micro_f1",
    "micro_precision",
    "micro_recall",
    "three_micro_f1",
    "map",
    "recall_at_10",
    "evidence_meets",
    "ece_width",
)
_HEADLINE_LABELS = {
    "micro_f1": "F1",
    "micro_precision": "Precision",
    "micro_recall": "Recall",
    "three_micro_f1": "F1, 3 characters",
    "map": "MAP",
    "recall_at_10": "Recall at 10",
    "evidence_meets": "Evidence meets",
    "ece_width": "Calibration error",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What goes into a report.

    Parameters
    ----------
    evaluation : Evaluation
    source : str
        What was evaluated on, such as a file name and a part.
    against : Evaluation, optional
        Another model on the same notes.
    comparison : Comparison, optional
        Of `against` (a) and `evaluation` (b).
    guarantee : Guarantee, optional
    no_guarantee : str
        Why there is none, when one was asked for.
    """

    evaluation: Evaluation
    source: str = ""
    against: Evaluation | None = None
    comparison: Comparison | None = None
    guarantee: Guarantee | None = None
    no_guarantee: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "schema": 1,
            "source": self.source,
            "evaluation": self.evaluation.to_dict(),
            "against": self.against.to_dict() if self.against else None,
            "comparison": self.comparison.to_dict() if self.comparison else None,
            "guarantee": as_json(self.guarantee) if self.guarantee else None,
            "no_guarantee": self.no_guarantee,
        }


# ---------------------------------------------------------------------------------------------------------------------
# words


def share_text(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def interval_text(value: Interval) -> str:
    return "" if math.isnan(value.low) else f"{value.low:.3f} to {value.high:.3f}".replace("-", "−")


def difference_text(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.3f}".replace("-", "−")


def plain_text(name: str) -> str:
    return name.replace("_", " ")


def spans_text(spans: Sequence[Span]) -> str:
    shown = ", ".join(f"{s.start}–{s.end}" for s in spans[:4])
    return shown + (" …" if len(spans) > 4 else "")


def summary_line(report: Report) -> str:
    e = report.evaluation
    model = e.versions.get("model", "")[:12]
    parts = [
        f"{e.n_notes:,} notes with {e.n_final:,} coded codes",
        f"{e.n_selected:,} codes put forward (from probability {e.threshold:.3f}), {e.n_listed:,} listed",
        f"model {e.name}" + (f" ({model})" if model and model not in e.name else ""),
        f"codes of {e.versions['icd10cm']}" if "icd10cm" in e.versions else "",
    ]
    return " · ".join(p for p in parts if p)


def families() -> Iterable[tuple[str, list[Figure]]]:
    families: dict[str, list[Figure]] = {}
    for figure in FIGURES:
        families.setdefault(figure.family, []).append(figure)
    return families.items()


def miss_rows(e: Evaluation) -> list[tuple[str, int]]:
    return [
        ("Another code of the category was put forward in its place", e.misses.sibling),
        ("Listed, but below the threshold", e.misses.below_threshold),
        ("Never listed for the note", e.misses.not_listed),
    ]


def faithfulness_rows(e: Evaluation) -> list[tuple[str, str]]:
    f = e.faithfulness
    if f is None:
        return []
    return [
        ("Mean probability with the whole note", share_text(f.probability)),
        ("… with the evidence removed", share_text(f.without_evidence)),
        ("… with only the sentences of the evidence", share_text(f.evidence_alone)),
        ("Comprehensiveness (fall when removed; higher is better)", share_text(f.comprehensiveness)),
        ("Sufficiency (fall when kept alone; lower is better)", share_text(f.sufficiency)),
        ("Codes withdrawn when their evidence is removed", f"{f.share_withdrawn:.1%}"),
        ("Codes still put forward from their evidence alone", f"{f.share_kept:.1%}"),
    ]


def guarantee_rows(g: Guarantee) -> list[tuple[str, str]]:
    return [
        ("Threshold", f"{g.threshold:.3f}"),
        ("Precision held on unseen notes, with confidence", f"{g.target_precision:g}, {g.confidence:g}"),
        ("Precision on these notes (averaged over notes)", f"{g.precision:.3f} ({g.note_precision:.3f})"),
        ("Codes put forward, of those put forward before", f"{g.n_codes:,} ({g.share_of_selected:.1%})"),
        ("Coded codes covered", f"{g.share_of_final:.1%}"),
        ("Notes with a code put forward", f"{g.n_notes_covered:,} of {g.n_notes:,} ({g.share_of_notes:.1%})"),
        ("Notes whose codes are all put forward", f"{g.share_of_notes_complete:.1%}"),
    ]


def expert_rows(e: Evaluation) -> list[tuple[str, Interval]]:
    x = e.experts
    if x is None:
        return []
    return [
        ("Precision against either expert", x.precision_either),
        ("Recall of the codes both experts gave", x.recall_both),
        ("One expert against the other, F1", x.agreement_f1),
        ("One expert against the other, F1 at three characters", x.agreement_f1_three),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# plain tables, for a terminal


@dataclass(frozen=True, slots=True)
class PlainTable:
    """A table of words: the first `n_left` columns and those without numbers stand left.

    Parameters
    ----------
    title : str
    head : tuple of str
    rows : tuple of tuple of str
        A row with nothing but its first cell is a heading.
    n_left : int
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_left: int = 1


def plain_tables(report: Report, *, n_errors: int = 6) -> tuple[PlainTable, ...]:
    """Return the tables of a report.

    Parameters
    ----------
    report : Report
    n_errors : int
        Errors of each kind; the JSON and the page hold fifty in all.
    """
    e = report.evaluation
    tables = [_figure_table(report)]
    if e.experts is not None:
        rows = [(label, share_text(v.value), interval_text(v)) for label, v in expert_rows(e)]
        tables.append(_plain_table(f"Two experts, {e.experts.n_notes} notes", ("", "", "interval"), rows))
    tables += [
        _group_table("Chapter", e.by_chapter),
        _group_table("Section of the evidence", e.by_section),
        _group_table("Kind", e.by_kind),
        _group_table("Setting", e.by_setting),
        _plain_table(
            f"Missed codes: {sum(n for _, n in miss_rows(e))}", ("", ""), [(label, str(n)) for label, n in miss_rows(e)]
        ),
    ]
    if e.faithfulness is not None:
        title = f"Faithfulness of the evidence, {e.faithfulness.n_codes} codes of {e.faithfulness.n_notes} notes"
        tables.append(_plain_table(title, ("", ""), faithfulness_rows(e)))
    if report.guarantee is not None:
        tables.append(_plain_table("Precision asked for", ("", ""), guarantee_rows(report.guarantee)))
    for kind, title in (("false", "Costliest codes put forward wrongly"), ("missed", "Costliest codes missed")):
        errors = [_error_cells(x) for x in e.errors if x.kind == kind]
        if errors:
            head = ("note", "code", "prob.", "section", "characters", "in its place")
            tables.append(_plain_table(title, head, errors[:n_errors], n_left=2))
    if e.failures:
        rows2 = [(f.note_id, f.error_id) for f in e.failures[:n_errors]]
        tables.append(_plain_table(f"Notes that could not be read: {len(e.failures)}", ("note", "error"), rows2, n_left=2))
    return tuple(t for t in tables if t.rows)


def _plain_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, n_left: int = 1) -> PlainTable:
    return PlainTable(title, tuple(head), tuple(tuple(row) for row in rows), n_left)


def _error_cells(x: CostlyError) -> tuple[str, ...]:
    probability = "–" if x.probability is None else share_text(x.probability)
    return x.note_id, x.code, probability, plain_text(x.section), spans_text(x.spans), ", ".join(x.instead)


def _figure_table(report: Report) -> PlainTable:
    e, comparison = report.evaluation, report.comparison
    paired = {f.name: f for f in comparison.figures} if comparison else {}
    against = report.against
    head = ("", e.name, f"{e.level:.0%} interval", *((against.name, "difference", "interval", "p") if against else ()))
    rows: list[tuple[str, ...]] = []
    for family, figures in families():
        if all(math.isnan(e[f.name]) for f in figures):
            continue
        rows.append((family, *[""] * (len(head) - 1)))
        for f in figures:
            row = [f"  {f.label}", share_text(e[f.name]), interval_text(e.figures[f.name])]
            if against and f.name in paired:
                p = paired[f.name]
                interval = interval_text(Interval(p.difference, p.low, p.high))
                row += [share_text(against[f.name]), difference_text(p.difference), interval, f"{p.p_value:.4f}"]
            elif against:
                row += [share_text(against[f.name]), "", "", ""]
            rows.append(tuple(row))
    return PlainTable("", head, tuple(rows))


def _group_table(title: str, groups: Sequence[Group]) -> PlainTable:
    rows = []
    for g in groups:
        name = plain_text(g.name) if len(g.name) < 62 else plain_text(g.name)[:59] + " …"
        counts = [str(n) for n in (g.n_notes, g.n_right, g.n_false, g.n_missed)]
        rows.append((name, *counts, share_text(g.precision), share_text(g.recall), share_text(g.f1.value), interval_text(g.f1)))
    return _plain_table("", (title, "notes", "right", "false", "missed", "prec.", "recall", "F1", "interval"), rows)


# ---------------------------------------------------------------------------------------------------------------------
# plots


def _models(report: Report) -> list[tuple[Evaluation, str]]:
    return [(report.evaluation, _BLUE), *([(report.against, _ORANGE)] if report.against else [])]


def _draw_reliability(report: Report, axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--", label="as stated")
    for e, colour in _models(report):
        bins = [b for b in e.reliability_mass if b.n]
        axes.plot(
            [b.mean_probability for b in bins],
            [b.share_right for b in bins],
            marker="o",
            markersize=4,
            color=colour,
            label=e.name,
        )
    widths = [b for b in report.evaluation.reliability_width if b.n]
    most = max((b.n for b in widths), default=1)
    axes.bar(
        [(b.low + b.high) / 2 for b in widths],
        [0.18 * b.n / most for b in widths],
        width=0.092,
        color=_BLUE,
        alpha=0.18,
        label="how many",
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Probability stated", ylabel="Share right", title="Reliability")
    axes.legend(loc="best")


def _draw_curve(report: Report, axes: Axes) -> None:
    for e, colour in _models(report):
        points = [p for p in e.curve if not math.isnan(p.coverage)]
        axes.plot([p.coverage for p in points], [p.precision for p in points], color=colour, label=e.name)
        axes.plot([e["micro_recall"]], [e["micro_precision"]], marker="o", color=colour, linestyle="none")
    g = report.guarantee
    if g is not None:
        axes.plot(
            [g.share_of_final],
            [g.precision],
            marker="*",
            markersize=11,
            color="#222",
            linestyle="none",
            label=f"holds {g.target_precision:g}",
        )
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1.02),
        xlabel="Coverage: coded codes put forward",
        ylabel="Precision",
        title="Precision and coverage",
    )
    axes.legend(loc="best")


def _draw_thresholds(report: Report, axes: Axes) -> None:
    e = report.evaluation
    points = [p for p in e.curve if not math.isnan(p.coverage)]
    x = [p.threshold for p in points]
    f1 = [2 * p.precision * p.coverage / (p.precision + p.coverage) if p.precision + p.coverage else 0.0 for p in points]
    axes.plot(x, [p.precision for p in points], color=_BLUE, label="precision")
    axes.plot(x, [p.coverage for p in points], color=_GREY, label="coverage")
    axes.plot(x, f1, color="#222", label="F1")
    axes.axvline(e.threshold, color=_ORANGE, linewidth=1, linestyle="--", label=f"threshold {e.threshold:.2f}")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Threshold", ylabel="Share", title=f"What a threshold gives, {e.name}")
    axes.legend(loc="best")


def _draw_ranks(report: Report, axes: Axes) -> None:
    for e, colour in _models(report):
        axes.plot(KS, [e[f"recall_at_{k}"] for k in KS], marker="o", markersize=4, color=colour, label=f"recall, {e.name}")
        axes.plot(
            KS,
            [e[f"precision_at_{k}"] for k in KS],
            marker="s",
            markersize=4,
            color=colour,
            linestyle=":",
            label=f"precision, {e.name}",
        )
    axes.set(ylim=(0, 1), xlabel="First k suggestions", ylabel="Mean over notes", title="Precision and recall at k", xticks=KS)
    axes.legend(loc="best")


def _draw_chapters(report: Report, axes: Axes) -> None:
    names = [g.name for g in report.evaluation.by_chapter]
    models = _models(report)
    height = 0.8 / len(models)
    for m, (e, colour) in enumerate(models):
        groups = {g.name: g for g in e.by_chapter}
        places = [(i + (m - (len(models) - 1) / 2) * height, groups[n].f1) for i, n in enumerate(names) if n in groups]
        places = [(y, f) for y, f in places if not math.isnan(f.value)]
        axes.barh(
            [y for y, _ in places], [f.value for _, f in places], height=height * 0.9, color=colour, alpha=0.75, label=e.name
        )
        drawn = [(y, f) for y, f in places if not math.isnan(f.low)]
        axes.hlines([y for y, _ in drawn], [f.low for _, f in drawn], [f.high for _, f in drawn], color="#222", linewidth=1)
    counts = {g.name: g.n_right + g.n_missed for g in report.evaluation.by_chapter}
    labels = [(n if len(n) <= 44 else n[:42] + "…") + f"  ({counts[n]})" for n in names]
    axes.set(xlim=(0, 1), xlabel="F1 of the codes put forward, with interval; coded codes in brackets", yticks=range(len(names)))
    axes.set_yticklabels(labels)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    if len(models) > 1:
        axes.legend(loc="best")


# ---------------------------------------------------------------------------------------------------------------------
# page

_DEFINITIONS = (
    ("Codes put forward", "Codes whose probability reaches the threshold. Precision, recall and F1 are of these. A coded code counts as given, "
     "whether billable or not and whether or not it could be suggested. A note that could not be read counts: its codes are missed."),
    ("Over all codes, mean over codes", "Over all codes (micro): every code of every note counts alike. Mean over codes (macro): every code that was "
     "coded or put forward counts alike; a code never put forward has precision 0, a code never coded recall 0."),
    ("At three characters", "Codes are cut to their category and repeats within a note dropped."),
    ("Ranking", "Over all suggestions listed, averaged over notes. MAP: the mean over the coded codes of the precision at the rank of each; a code "
     "never listed counts 0. R-precision: precision among as many suggestions as there are coded codes."),
    ("Evidence", "Of right codes put forward for which the expert marked evidence. The best span is the first one shown. Words are runs of "
     "characters without blanks."),
    ("Calibration", "Of all suggestions listed, in 10 bins. The curve shows bins of equal mass. With few notes the "
        "error is too high by chance alone, and its interval leans upwards."),
    ("Faithfulness", "Evidence is replaced by blanks of the same length, or everything but its sentences is, and the note is read again. "
     "DeYoung et al., ERASER, ACL 2020."),
    ("Intervals and tests", "Whole notes are drawn with replacement (percentile bootstrap). Differences: the same draws for both models; p by "
     "approximate randomisation, two-sided (Noreen 1989). No correction for looking at several figures."),
    ("Cost of an error", "Surprise in bits: how sure the model was of what is wrong. False and missed codes are listed in equal parts."),
)  # fmt: skip


def report_html(report: Report) -> str:
    """Return a report as one HTML page that needs nothing else.

    Parameters
    ----------
    report : Report

    Raises
    ------
    PrerequisiteError
        CS520 when matplotlib is not installed.
    """
    need_matplotlib()
    e = report.evaluation
    title = f"{e.name} on {report.source}" if report.source else e.name
    body = [
        f"<h1>How well the suggestions hold: {escape(title)}</h1>",
        f'<p class="dim">{escape(summary_line(report))}</p>',
        _tiles(report),
        _failures_html(e),
        "<h2>Figures</h2>",
        _figures_html(report),
        _experts_html(e),
        "<h2>Plots</h2>",
        _plots_html(report),
        _guarantee_html(report),
        "<h2>By chapter, section, kind of note and setting</h2>",
        _groups_html("Chapter", e.by_chapter),
        _groups_html("Section of the first evidence", e.by_section),
        f'<div class="two">{_groups_html("Kind of note", e.by_kind, short=True)}{_groups_html("Setting", e.by_setting, short=True)}</div>',
        "<h2>Evidence and missed codes</h2>",
        _two_tables(e),
        _errors_html(e),
        _codes_html(e),
        "<h2>How the figures are made</h2>",
        "<dl>" + "".join(f"<dt>{escape(t)}</dt><dd>{escape(d)}</dd>" for t, d in _DEFINITIONS) + "</dl>",
        f'<p class="dim">Intervals of {e.level:.0%}, {e.n_draws:,} draws, seed {e.seed}. codesuggest {escape(e.versions.get("codesuggest", ""))}, '
        f"model {escape(e.versions.get('model', 'not stated'))}. This page holds no text of the notes.</p>",
    ]
    return html_page(f"Evaluation: {title}", body)


def _tiles(report: Report) -> str:
    e = report.evaluation
    tiles = []
    for name in _HEADLINES:
        value = e.figures[name]
        if not math.isnan(value.value):
            tiles.append(
                f'<div class="tile"><span>{_HEADLINE_LABELS[name]}</span><b>{share_text(value.value)}</b><span>{interval_text(value)}</span></div>'
            )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _figures_html(report: Report) -> str:
    e, against = report.evaluation, report.against
    paired = {f.name: f for f in report.comparison.figures} if report.comparison else {}
    head = ["", e.name, f"{e.level:.0%} interval", *([against.name, "Difference", "Interval", "p"] if against else [])]
    parts = [
        "<table><thead><tr>",
        *(f'<th scope="col"{number_class(i, 1)}>{escape(h)}</th>' for i, h in enumerate(head)),
        "</tr></thead>",
    ]
    for family, figures in families():
        if all(math.isnan(e[f.name]) for f in figures):
            continue
        parts.append(f'<tr class="f"><td colspan="{len(head)}">{escape(family)}</td></tr>')
        for f in figures:
            cells = [
                f"<td>{escape(f.label)}</td>",
                *(f'<td class="n">{c}</td>' for c in (share_text(e[f.name]), interval_text(e.figures[f.name]))),
            ]
            if against and f.name in paired:
                p = paired[f.name]
                is_sure = p.p_value < 0.05 and not math.isnan(p.difference)
                colour = ("better" if (p.difference < 0) == f.lower_is_better else "worse") if is_sure else ""
                cells += [
                    f'<td class="n">{share_text(against[f.name])}</td>',
                    f'<td class="n {colour}">{difference_text(p.difference)}</td>',
                    f'<td class="n">{interval_text(Interval(p.difference, p.low, p.high))}</td>',
                    f'<td class="n">{p.p_value:.4f}</td>',
                ]
            elif against:
                cells.append(f'<td class="n">{share_text(against[f.name])}</td><td></td><td></td><td></td>')
            parts.append(f"<tr>{''.join(cells)}</tr>")
    parts.append("</table>")
    if report.comparison is not None and against is not None:
        c = report.comparison
        parts.append(
            f"<p>Of the coded codes {c.n_both_right:,} are put forward by both models, {c.n_only_b_right:,} by {escape(e.name)} alone, "
            f"{c.n_only_a_right:,} by {escape(against.name)} alone, {c.n_neither_right:,} by neither. Differences are {escape(e.name)} minus "
            f"{escape(against.name)}; those with p below 0.05 are coloured.</p>"
        )
    return "".join(parts)


def _experts_html(e: Evaluation) -> str:
    if e.experts is None:
        return ""
    rows = [(label, share_text(v.value), interval_text(v)) for label, v in expert_rows(e)]
    return f"<h2>Against two experts</h2><p>{e.experts.n_notes:,} notes that both coded.</p>" + html_table(
        ("", "", "Interval"), rows
    )


def _plots_html(report: Report) -> str:
    e = report.evaluation
    plots = []
    if e.n_listed:
        plots += [
            svg_image(
                lambda a: _draw_reliability(report, a),
                f"Reliability curve; expected calibration error {share_text(e['ece_mass'])}",
            ),
            svg_image(lambda a: _draw_curve(report, a), "Precision against coverage; the dot is the model's own threshold"),
        ]
        plots.append(svg_image(lambda a: _draw_thresholds(report, a), "Precision, coverage and F1 at each threshold"))
    plots.append(svg_image(lambda a: _draw_ranks(report, a), "Precision and recall among the first k suggestions"))
    page = f'<div class="plots">{"".join(plots)}</div>'
    if e.by_chapter:
        height = 1.1 + 0.3 * len(e.by_chapter) * (1.5 if report.against else 1)
        page += svg_image(lambda a: _draw_chapters(report, a), "F1 by chapter, with intervals", width=10, height=height)
    return page


def _guarantee_html(report: Report) -> str:
    if report.guarantee is not None:
        g = report.guarantee
        says = (
            f"From a threshold of {g.threshold:.3f} on, at least {g.target_precision:.0%} of the codes put forward on unseen notes of this kind are "
            f"right, with confidence {g.confidence:.0%}. That covers {g.share_of_final:.1%} of the coded codes."
        )
        return f'<h2>Precision asked for</h2><div class="box">{escape(says)}</div>' + html_table(("", ""), guarantee_rows(g))
    if report.no_guarantee:
        return f'<h2>Precision asked for</h2><div class="box warn">{escape(report.no_guarantee)}</div>'
    return ""


def _groups_html(title: str, groups: Sequence[Group], *, short: bool = False) -> str:
    rows = []
    for g in groups:
        counts = [f"{n:,}" for n in (g.n_notes, g.n_right, g.n_false, g.n_missed)]
        shares = (
            [share_text(g.f1.value)]
            if short
            else [share_text(g.precision), share_text(g.recall), share_text(g.f1.value), interval_text(g.f1)]
        )
        rows.append([plain_text(g.name), *counts, *shares])
    head = [title, "Notes", "Right", "False", "Missed", *(["F1"] if short else ["Precision", "Recall", "F1", "Interval"])]
    return f"<div>{html_table(head, rows)}</div>"


def _two_tables(e: Evaluation) -> str:
    missed = html_table(("Where missed codes were lost", "Codes"), [(label, f"{n:,}") for label, n in miss_rows(e)])
    if e.faithfulness is None:
        return missed
    f = e.faithfulness
    faithful = html_table((f"Faithfulness, {f.n_codes:,} codes of {f.n_notes:,} notes", ""), faithfulness_rows(e))
    return f'<div class="two"><div>{faithful}</div><div>{missed}</div></div>'


def _errors_html(e: Evaluation) -> str:
    if not e.errors:
        return ""
    parts = [
        f"<h2>The {len(e.errors)} costliest errors</h2>",
        '<p class="dim">Characters are half-open offsets into the text of the note: the evidence shown for a false code, the expert\'s for a missed '
        "one.</p><table><thead><tr>",
    ]
    for i, h in enumerate(("Note", "Code", "", "Section", "Characters", "In its place", "Prob.", "Bits")):
        parts.append(f'<th scope="col"{number_class(i, 6)}>{h}</th>')
    parts.append("</tr></thead>")
    for x in e.errors:
        probability = "not listed" if x.probability is None else share_text(x.probability)
        words = (x.note_id, x.code, x.kind, plain_text(x.section), spans_text(x.spans), ", ".join(x.instead))
        cells = "".join(f"<td{' class=c' if i == 1 else ''}>{escape(w)}</td>" for i, w in enumerate(words))
        parts.append(f'<tr>{cells}<td class="n">{probability}</td><td class="n">{x.cost:.1f}</td></tr>')
    return "".join([*parts, "</table>"])


def _codes_html(e: Evaluation) -> str:
    if not e.by_code:
        return ""
    rows = [(c.code, c.title, str(c.n_right), str(c.n_false), str(c.n_missed)) for c in e.by_code[:25]]
    return "<h2>Codes that go wrong most often</h2>" + html_table(("Code", "Title", "Right", "False", "Missed"), rows, n_left=2)


def _failures_html(e: Evaluation) -> str:
    if not e.failures:
        return ""
    listed = "; ".join(f"{f.note_id} ({f.error_id})" for f in e.failures[:20])
    return f'<div class="box warn">{len(e.failures):,} notes could not be read, and all their codes count as missed: {escape(listed)}</div>'
