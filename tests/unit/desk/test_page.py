"""The pages without a browser: who gets which, and that nothing in them needs an exception of the security policy."""

import re
from pathlib import Path

import pytest

import codesuggest.desk.page

fastapi = pytest.importorskip("fastapi")
testclient = pytest.importorskip("fastapi.testclient")

FOLDER = Path(codesuggest.desk.page.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))
MODULES = sorted((FOLDER / "static").glob("*.js"))


@pytest.fixture
def client_of():
    """Return a client of the pages alone, for a person or for nobody."""

    def client_of(identity):
        app = fastapi.FastAPI()

        @app.middleware("http")
        async def know(request, call):
            request.state.identity = identity
            return await call(request)

        codesuggest.desk.page.add_page(app)
        return testclient.TestClient(app, follow_redirects=False)

    return client_of


def test_nobody_is_sent_to_the_log_in(client_of):
    answer = client_of(None).get("/charts/8c1f00")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/charts/8c1f00")


def test_pages_are_not_kept_by_browsers(client_of):
    assert client_of(object()).get("/").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("chart_id", ["%3Cscript%3E", "a" * 65, "a%22b"])
def test_an_odd_chart_id_is_not_found_and_not_repeated(client_of, chart_id):
    answer = client_of(object()).get(f"/charts/{chart_id}")
    assert answer.status_code == 404
    assert "<script>" not in answer.text


def test_static_files_do_not_lead_out_of_their_folder(client_of):
    assert client_of(object()).get("/static/..%2f__init__.py").status_code == 404


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_templates_have_nothing_inline(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\bsrc=)|https?://|data:", text)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.name)
def test_scripts_make_no_html_of_strings_and_import_what_is_there(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|https?://", text)
    for name in re.findall(r'from "\./([\w.]+)"', text):
        assert (FOLDER / "static" / name).is_file()


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.name)
def test_scripts_store_one_preference_and_nothing_else(file):
    text = file.read_text(encoding="utf-8")
    kept = re.findall(r"(?:localStorage|sessionStorage|indexedDB|document\.cookie)[^;\n]{0,60}", text)
    assert all("LETTERS" in use or "codesuggest.letters" in use for use in kept)
