"""The OpenAPI description against the application, by schemathesis, in both directions: what is described, and what is not."""

import itertools

import pytest
import schemathesis
from desk_helpers import PROGRESS, event_id, open_desk
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from codesuggest.desk.app import create_app
from codesuggest.desk.settings import DeskSettings

N_EXAMPLES = 10


@pytest.fixture(scope="module")
def desk(tmp_path_factory, suggester):
    with open_desk(tmp_path_factory.mktemp("openapi"), suggester, allowed_hosts=("testserver",)) as made:
        made.busy = made.chart("busy", setting="outpatient")
        made.store.claim(made.busy, made.who("ann"))
        yield made


@pytest.fixture(scope="module")
def api(desk):
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", desk.app, headers=headers(desk, "max"))


def headers(desk, name):
    return {"Authorization": f"Bearer {desk.tokens[name]}", "Host": "localhost"}


def operations():
    """Name every operation of the description."""
    description = create_app(DeskSettings(database="sqlite://")).openapi()
    return [f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods]


# Who may call a route at all; a manager where nobody else is named.
CALLER = {
    "POST /api/v1/worklist/next": "ann",
    "POST /api/v1/charts/{chart_id}/claim": "ann",
    "POST /api/v1/charts/{chart_id}/skip": "ann",
    "POST /api/v1/charts/{chart_id}/decisions": "ann",
    "PUT /api/v1/charts/{chart_id}/draft": "ann",
    "POST /api/v1/charts/{chart_id}/finish": "ann",
    "POST /api/v1/charts/{chart_id}/queries": "ann",
}

# Rules that no schema states: the request is well-formed, and still refused for what it says.
RULES = {
    "POST /api/v1/suggest": {"CS150", "CS158"},  # no words, no text
    "GET /api/v1/codes/{code}": {"CS100"},  # the format of the code system
    "POST /api/v1/charts/{chart_id}/decisions": {"CS100", "CS617", "CS618", "CS625"},
    "POST /api/v1/charts/{chart_id}/queries": {"CS618"},  # a range outside its document
    "PUT /api/v1/charts/{chart_id}/draft": {"CS613"},  # an old revision
}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda m: m.value)
@pytest.mark.parametrize("label", operations())
def test_every_route_keeps_what_it_promises(desk, api, label, mode):
    operation = next(o for o in (found.ok() for found in api.get_all_operations()) if o.label == label)
    if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query or operation.headers):
        pytest.skip("nothing in the request can be wrong but its path")
    caller = headers(desk, CALLER.get(label, "max"))
    turn = itertools.count()

    @settings(
        max_examples=N_EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        if mode is GenerationMode.POSITIVE and "chart_id" in (case.path_parameters or {}) and next(turn) % 2:
            case.path_parameters["chart_id"] = desk.busy  # else every answer would be 404
        answer = case.call(headers=caller)
        is_ruled_out = answer.status_code in (412, 422) and answer.json()["error"]["id"] in RULES.get(label, ())
        case.validate_response(answer, excluded_checks=[positive_data_acceptance] if is_ruled_out else [])

    check()


def test_answers_of_a_chart_are_as_described(desk):
    """The objects that the random cases rarely reach, against the models."""
    from codesuggest.desk import models as m

    ann, chart_id = desk.client("ann"), desk.chart("described", setting="inpatient")
    summary = ann.post(f"/api/v1/charts/{chart_id}/claim")
    m.ChartOut.model_validate_json(summary.content)
    m.WorklistOut.model_validate_json(ann.get("/api/v1/worklist").content)
    start = PROGRESS.index("ceftriaxone")
    query = {
        "topic": "organism",
        "question": "Please clarify.",
        "indicators": [{"document": 1, "start": start, "end": start + 11}],
    }
    m.QueryOut.model_validate_json(ann.post(f"/api/v1/charts/{chart_id}/queries", query).content)
    for action, code, more in (
        ("accept", "J18.9", {}),
        ("add", "Z79.2", {}),
        ("replace", "I10", {"final_code": "I11.9"}),
        ("reject", "E11.9", {}),
    ):
        body = {"event_id": event_id(), "action": action, "code": code, **more}
        m.DecidedOut.model_validate_json(ann.post(f"/api/v1/charts/{chart_id}/decisions", body).content)
    m.WholeChartOut.model_validate_json(ann.get(f"/api/v1/charts/{chart_id}").content)
    m.EditsOut.model_validate_json(ann.get(f"/api/v1/charts/{chart_id}/edits").content)
    m.DecisionsOut.model_validate_json(ann.get(f"/api/v1/charts/{chart_id}/decisions").content)
    m.QueriesOut.model_validate_json(ann.get(f"/api/v1/charts/{chart_id}/queries").content)
    m.ErrorOut.model_validate_json(ann.post(f"/api/v1/charts/{chart_id}/finish", {"event_id": "finish-01"}).content)
    m.CardOut.model_validate_json(ann.get("/api/v1/codes/E11").content)
    m.SearchOut.model_validate_json(ann.get("/api/v1/codes/search", params={"q": "sepsis"}).content)
    m.AccessesOut.model_validate_json(desk.client("max").get("/api/v1/access").content)
    m.ErrorOut.model_validate_json(ann.post(f"/api/v1/charts/{chart_id}/decisions", {}).content)


def test_every_route_of_the_api_is_described(desk):
    described = desk.client("ann").get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    routes = {r.path for r in desk.app.routes if getattr(r, "path", "").startswith("/api/v1") and r.include_in_schema}
    assert routes <= set(described["paths"])
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert {"400", "413", "422", "500"} <= set(operation["responses"])
