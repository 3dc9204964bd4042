"""Self-contained HTML pages: the style, tables whose cells are escaped, and plots as SVG inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from codesuggest.errors import PrerequisiteError

__all__ = ["html_page", "html_table", "need_matplotlib", "number_class", "svg_image"]

_STYLE = """
:root{color-scheme:light}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;color:#1c2127;background:#fff;
 margin:0 auto;max-width:1080px;padding:24px 28px 60px}
h1{font-size:25px;margin:0 0 4px}h2{font-size:18px;margin:38px 0 6px;padding-bottom:4px;border-bottom:1px solid #d8dce1}
p{margin:6px 0 12px;max-width:76ch}.dim{color:#5c646f}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(112px,1fr));gap:9px;margin:18px 0}
.tile{border:1px solid #d8dce1;border-radius:8px;padding:9px 9px}.tile b{display:block;font-size:22px;line-height:1.25}
.tile span{font-size:12px;color:#5c646f;display:block;white-space:nowrap}
table{border-collapse:collapse;margin:8px 0 14px;font-size:13.5px;width:100%}
caption{text-align:left;font-weight:600;padding:4px 0}
th,td{padding:4px 9px;text-align:left;border-bottom:1px solid #eceef1;vertical-align:top}
th{font-weight:600;color:#414954;border-bottom:1px solid #c3c8cf}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.n{white-space:nowrap}th{vertical-align:bottom}
tr.f td{background:#f4f6f8;font-weight:600}td.c{white-space:nowrap;font-weight:600}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:16px}img{max-width:100%;height:auto}
figure{margin:0}figcaption{font-weight:600;font-size:13.5px;margin:6px 0 2px}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:0 32px}
.box{border-left:4px solid #0072b2;background:#f2f7fb;padding:8px 14px;margin:10px 0}
.warn{border-left-color:#d55e00;background:#fdf4ee}
dl{margin:6px 0}dt{font-weight:600;margin-top:8px}dd{margin:0 0 0 18px;max-width:80ch}
.better{color:#00683c}.worse{color:#a33a00}
@media(max-width:560px){.plots,.two{grid-template-columns:1fr}table{display:block;overflow-x:auto}}
@media print{body{max-width:none;padding:0}h2{break-after:avoid}tr,img{break-inside:avoid}}
"""


def html_page(title: str, body: Iterable[str]) -> str:
    """Return one page that needs nothing else and runs nothing.

    Parameters
    ----------
    title : str
        Escaped here.
    body : iterable of str
        HTML, escaped already; empty parts are left out.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body></html>\n"
    )


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, n_left: int = 1, caption: str = "") -> str:
    """Return a table; the cells are escaped here, the first `n_left` columns are words, the rest numbers."""
    parts = ["<table>"]
    if caption:
        parts.append(f"<caption>{escape(caption)}</caption>")
    if any(head):
        cells = "".join(f'<th scope="col"{number_class(i, n_left)}>{escape(h)}</th>' for i, h in enumerate(head))
        parts.append(f"<thead><tr>{cells}</tr></thead>")
    for row in rows:
        parts.append("<tr>" + "".join(f"<td{number_class(i, n_left)}>{escape(c)}</td>" for i, c in enumerate(row)) + "</tr>")
    return "".join([*parts, "</table>"])


def number_class(i: int, n_left: int) -> str:
    """Return the attribute of a cell that holds a number; the first `n_left` columns are words."""
    return ' class="n"' if i >= n_left else ""


def need_matplotlib() -> None:
    """Raise when matplotlib is not installed.

    Raises
    ------
    PrerequisiteError
        CS520, with the command that installs it.
    """
    try:
        import matplotlib.figure  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise PrerequisiteError(
            "CS520",
            "The HTML report draws its plots with matplotlib, which is not installed. Expected the extra 'plots'. Run: "
            'pip install "codesuggest[plots]" (or pip install matplotlib). The table and the JSON need no plots.',
        ) from error


def svg_image(draw: Any, alt: str, *, width: float = 5.2, height: float = 3.9) -> str:  # noqa: ANN401 - a function of Axes
    """Return an ``img`` with the plot as SVG inside; the same plot gives the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    style: Any = {
        "svg.hashsalt": "codesuggest",
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e6e8eb",
        "axes.edgecolor": "#8a8f98",
        "legend.framealpha": 0.85,
        "legend.edgecolor": "none",
    }
    with mpl.rc_context(style):
        figure = Canvas(figsize=(width, height), layout="constrained")
        draw(figure.subplots())
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}">'
