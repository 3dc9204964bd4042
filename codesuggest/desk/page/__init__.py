"""The pages of the desk: log-in, worklist, and the review of a chart.

The pages hold no patient data: their script fetches it from the API, and puts it on the page as text, never as HTML. There is no
build step, and nothing comes from elsewhere: templates, plain JavaScript modules and one style sheet.

Decision (2026-11): modules without a framework. The page has one list, one text and a handful of dialogs; `<dialog>`, CSS
`content-visibility` and the highlight API do what a framework was needed for. What would change our mind: a second page of this size.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

__all__ = ["add_page"]

_HERE = Path(__file__).parent
_CHART_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


def add_page(app: FastAPI) -> None:
    """Add ``/`` (the worklist), ``/login``, ``/charts/{chart_id}`` and ``/static`` to the application.

    Parameters
    ----------
    app : FastAPI
        Its middleware sets ``request.state.identity`` and the security headers.

    Notes
    -----
    A page that needs a person sends whoever is not logged in to ``/login?next=…`` (303). Whether the person may see a chart is
    decided by the API that hands its data out; a page alone shows nothing of it.
    """
    from fastapi.responses import HTMLResponse, RedirectResponse
    from fastapi.staticfiles import StaticFiles
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def is_known(request: Request) -> bool:
        return getattr(request.state, "identity", None) is not None

    def page(name: str, *, status: int = 200, **values: str) -> HTMLResponse:
        return HTMLResponse(templates.get_template(name).render(values), status, {"Cache-Control": "no-store"})

    def worklist(request: Request) -> Response:
        return page("worklist.html") if is_known(request) else RedirectResponse("/login", 303)

    def login(request: Request) -> Response:
        return page("login.html")

    def chart(request: Request) -> Response:
        chart_id = str(request.path_params["chart_id"])
        if not _CHART_ID.fullmatch(chart_id):
            return page("missing.html", status=404)
        return (
            page("chart.html", chart_id=chart_id)
            if is_known(request)
            else RedirectResponse(f"/login?next=/charts/{chart_id}", 303)
        )

    for path, endpoint in (("/", worklist), ("/login", login), ("/charts/{chart_id}", chart)):
        app.add_route(path, endpoint, methods=["GET"], include_in_schema=False)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
