"""A work report for people: the rows of the terminal table and the CSV file, and one HTML page with plots."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING

from codesuggest.audit.work import COLUMNS, WorkReport, WorkRow
from codesuggest.html_page import html_page, html_table, need_matplotlib, svg_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PARTS", "filled", "report_csv", "report_page", "row_cells"]

PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Volume and time",
        ("n_charts", "n_documents", "n_codes", "minutes_median", "minutes_p90", "turnaround_median", "turnaround_p90"),
    ),
    (
        "Suggestions and effort",
        (
            "n_accepted",
            "n_edited",
            "n_rejected",
            "n_passed_over",
            "n_added",
            "acceptance",
            "untouched",
            "model_precision",
            "model_recall",
        ),
    ),
    (
        "Quality and queries",
        (
            "n_audited",
            "coder_precision",
            "coder_recall",
            "principal_accuracy",
            "query_rate",
            "query_response",
            "query_hours_median",
            "query_agreement",
            "n_edits",
        ),
    ),
)
_TENTHS = {"minutes_median", "minutes_p90", "turnaround_median", "turnaround_p90", "query_hours_median"}
_BLUE, _ORANGE, _GREEN, _GREY = "#0072b2", "#d55e00", "#009e73", "#8a8f98"


def row_cells(row: WorkRow, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the cells of a row: whole numbers, shares to two digits, times to one; empty where nothing is defined."""
    return tuple(_cell(getattr(row, name), name) for name in columns)


def filled(report: WorkReport, columns: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the headings and the rows of those columns that have something to say, the whole last."""
    rows = [(row.name, *row_cells(row, columns)) for row in (*report.rows, report.total)]
    kept = [i for i in range(1, len(columns) + 1) if any(row[i] not in ("", "0", "0.00") for row in rows)]
    return tuple(COLUMNS[columns[i - 1]] for i in kept), [(row[0], *(row[i] for i in kept)) for row in rows]


def _cell(value: float | int | str, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return ""
    return f"{value:.1f}" if name in _TENTHS else f"{value:.2f}"


def report_csv(report: WorkReport) -> str:
    """Return the rows as CSV, one a group and the whole last; empty cells where nothing is defined."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [f.name for f in fields(WorkRow)]
    writer.writerow([report.by, *names[1:]])
    for row in (*report.rows, report.total):
        cells = [getattr(row, name) for name in names]
        # a text that a spreadsheet would take for a formula is kept a text
        first = f"'{cells[0]}" if cells[0][:1] in ("=", "+", "-", "@") else cells[0]
        writer.writerow([first, *("" if isinstance(c, float) and math.isnan(c) else round(c, 4) for c in cells[1:])])
    return stream.getvalue()


def report_page(report: WorkReport, *, title: str = "Coding work") -> str:
    """Return the report as one HTML page that needs nothing else.

    Raises
    ------
    PrerequisiteError
        CS520 when matplotlib is not installed.
    """
    need_matplotlib()
    span = f"{report.first:%Y-%m-%d} to {report.last:%Y-%m-%d} (UTC)" if report.first and report.last else "no charts"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="dim">{escape(span)} · {report.total.n_charts:,} charts</p>',
        _tiles(report.total),
        '<div class="plots">' + "".join(_plots(report)) + "</div>" if report.rows else "",
    ]
    for head, columns in PARTS:
        names, rows = filled(report, columns)
        if names:
            body += [f"<h2>{escape(head)}</h2>", html_table((report.by, *names), rows)]
    if report.edits:
        left = [(rule, f"{n:,}", f"{c:,}") for rule, n, c in report.edits]
        body += ["<h2>Findings left at finishing</h2>", html_table(("edit", "findings", "charts"), left)]
    if report.changed:
        rows = [(a or "(added)", b or "(left out)", f"{n:,}") for a, b, n in report.changed]
        body += [
            "<h2>Where the final codes differ from what was put forward</h2>",
            html_table(("put forward", "final", "charts"), rows, n_left=2),
        ]
    body.append(
        '<p class="dim">Accepted, edited and rejected are the coder\'s decisions about suggestions; passed over are suggestions put forward '
        "without a decision. Coder precision and recall are against the auditor, on audited charts alone; the model's against the final "
        "codes. This page holds no text of the notes.</p>"
    )
    return html_page(title, body)


def _tiles(total: WorkRow) -> str:
    shown = (
        "n_charts",
        "n_codes",
        "minutes_median",
        "turnaround_median",
        "acceptance",
        "untouched",
        "coder_precision",
        "query_rate",
    )
    made = [
        f'<div class="tile"><span>{escape(COLUMNS[name])}</span><b>{escape(cell)}</b></div>'
        for name in shown
        if (cell := row_cells(total, (name,))[0]) not in ("", "0.00")
    ]
    return f'<div class="tiles">{"".join(made)}</div>'


def _plots(report: WorkReport) -> list[str]:
    names = [row.name for row in report.rows]
    across = report.by != "day"

    def bars(axes: Axes, parts: Sequence[tuple[str, str, str]]) -> None:
        start = [0.0] * len(names)
        for column, label, colour in parts:
            values = [0.0 if math.isnan(v := float(getattr(row, column))) else v for row in report.rows]
            if across:
                axes.barh(range(len(names)), values, left=start, color=colour, label=label)
            else:
                axes.bar(range(len(names)), values, bottom=start, color=colour, label=label)
            start = [a + b for a, b in zip(start, values, strict=True)]
        _label(axes, names, across=across)
        if len(parts) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, borderaxespad=0.1)

    def lines(axes: Axes, parts: Sequence[tuple[str, str, str]]) -> None:
        for column, label, colour in parts:
            values = [float(getattr(row, column)) for row in report.rows]
            if across:
                axes.plot(values, range(len(names)), "o", color=colour, label=label)
            else:
                axes.plot(range(len(names)), values, "o-", color=colour, label=label, markersize=3)
        axes.set(**{"xlim" if across else "ylim": (0, 1.02)})
        _label(axes, names, across=across)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, borderaxespad=0.1)

    height = max(3.2, 0.26 * len(names)) if across else 3.4
    volume = (("n_charts", "charts", _BLUE),)
    effort = (
        ("n_accepted", "accepted", _GREEN),
        ("n_edited", "edited", _BLUE),
        ("n_rejected", "rejected", _ORANGE),
        ("n_added", "added", _GREY),
    )
    shares = (
        ("acceptance", "acceptance", _GREEN),
        ("model_recall", "model recall", _BLUE),
        ("coder_precision", "coder precision", _ORANGE),
    )
    minutes = (("minutes_median", "minutes", _BLUE),)
    return [
        f"<figure><figcaption>{title} by {report.by}</figcaption>{svg_image(draw, f'{title} by {report.by}', height=height)}</figure>"
        for title, draw in (
            ("Charts finished", lambda axes: bars(axes, volume)),
            ("Median minutes a chart", lambda axes: bars(axes, minutes)),
            ("What became of the suggestions", lambda axes: bars(axes, effort)),
            ("Acceptance and accuracy", lambda axes: lines(axes, shares)),
        )
    ]


def _label(axes: Axes, names: Sequence[str], *, across: bool) -> None:
    step = 1 if across else max(1, len(names) // 10)
    places = list(range(0, len(names), step))
    labels = [names[i] if len(names[i]) < 34 else names[i][:32] + "…" for i in places]
    if across:
        axes.set_yticks(places, labels)
        axes.set_ylim(len(names) - 0.4, -0.6)
    else:
        axes.set_xticks(places, labels, rotation=35, ha="right")
