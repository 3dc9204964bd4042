"""The chart of an encounter out of the decision log, and the command that writes its claim."""

import datetime as dt
import json

import pytest

from codesuggest.claims import UnfinishedChartError, chart_from_log, claim_objects, open_items, with_facts
from codesuggest.decisions import DecisionLog
from codesuggest.errors import InputFormatError
from codesuggest.records import Decision, FinalCode, Review, Shown, Span

DAY = [dt.datetime(2026, 5, 5, hour, tzinfo=dt.UTC) for hour in range(24)]
FACTS = {"setting": "inpatient", "date_of_service": "2026-05-04", "payer": "Medicare"}


def decision(code, action="accept", hour=9, stage="coder", **more):
    return Decision("n1", code, action, stage, "ann", DAY[hour], encounter_id="E1", **more)


def review(*codes, hour=12, stage="coder", **more):
    given = {"codes": tuple(FinalCode(c, poa="Y") for c in codes), "facts": FACTS, **more}
    return Review("E1", ("n1",), stage, "ann", DAY[8], DAY[hour], **given)


@pytest.fixture
def log(tmp_path):
    with DecisionLog(tmp_path / "log.sqlite") as opened:
        yield opened


def open_words(log):
    return [item.words for item in open_items(chart_from_log(log, "E1"))]


def test_a_finished_chart_keeps_sequence_poa_evidence_and_who(log):
    log.record(
        decision("E78.5"), decision("I50.23", evidence=((Span(3, 9),),), versions={"model": "m"}), review("I50.23", "E78.5")
    )
    chart = chart_from_log(log, "E1")
    first = chart.diagnoses[0]
    assert [d.code for d in chart.diagnoses] == ["I50.23", "E78.5"]
    assert (first.poa, first.who, first.evidence[0].start, first.versions) == ("Y", "ann", 3, {"model": "m"})
    assert (chart.setting, chart.payer, chart.discharge_date, chart.finished_by) == (
        "inpatient",
        "Medicare",
        dt.date(2026, 5, 4),
        "ann",
    )
    assert claim_objects(chart)[0]["loop_2300"]["HI"][0]["elements"][0]["code"] == "I5023"


def test_a_chart_that_nobody_finished_is_refused(log):
    log.record(decision("I50.23"))
    assert "1 codes are decided, and nobody finished the chart" in open_words(log)
    with pytest.raises(UnfinishedChartError):
        claim_objects(chart_from_log(log, "E1"))


def test_a_deferred_code_is_open(log):
    log.record(decision("I50.23"), decision("E78.5", "defer"), review("I50.23"))
    assert open_words(log) == ["E78.5 was put off by ann: decide"]


def test_a_code_put_forward_and_not_decided_is_open(log):
    shown = (Shown("n1", "I50.23", 1, 0.9, True), Shown("n1", "K21.9", 2, 0.8, True), Shown("n1", "E78.5", 3, 0.1, False))
    log.record(decision("I50.23"), review("I50.23", shown=shown))
    assert open_words(log) == ["K21.9 was put forward and nobody decided on it"]


def test_a_decision_after_the_chart_was_finished_opens_it_again(log):
    log.record(decision("I50.23"), review("I50.23"))
    log.record(decision("I50.23", "reject", hour=15, stage="audit"))
    assert "finish it again" in open_words(log)[0]


def test_codes_without_a_standing_decision_are_open(log):
    log.record(decision("I50.23"), review("I50.23", "E78.5"))
    assert open_words(log) == ["E78.5 is among the codes of the finished chart and no decision stands for it"]


def test_a_finding_let_stand_at_the_desk_is_acknowledged(log):
    facts = {**FACTS, "acknowledged TAB-05 I50.23 E78.5": "documented as unrelated"}
    log.record(decision("I50.23"), review("I50.23", facts=facts))
    (one,) = chart_from_log(log, "E1").acknowledged
    assert (one.rule_id, one.codes, one.reason) == ("TAB-05", ("I50.23", "E78.5"), "documented as unrelated")


def test_an_encounter_that_nobody_knows_is_refused(log):
    with pytest.raises(InputFormatError, match="CS666"):
        chart_from_log(log, "E9")


def test_facts_add_what_the_log_does_not_hold(log):
    log.record(decision("I50.23"), review("I50.23"))
    given = {"patient": {"patient_id": "P1", "age_years": 70}, "discharge_status": "01", "admission_date": "2026-04-28"}
    chart = with_facts(chart_from_log(log, "E1"), given)
    assert (chart.patient.patient_id, chart.discharge_status, chart.admission_date) == ("P1", "01", dt.date(2026, 4, 28))
    assert chart.payer == "Medicare"


@pytest.mark.parametrize("name", ["diagnoses", "finished_at", "queries"])
def test_facts_do_not_change_what_people_decided(log, name):
    log.record(decision("I50.23"), review("I50.23"))
    with pytest.raises(InputFormatError, match="CS667"):
        with_facts(chart_from_log(log, "E1"), {name: []})


# -- the command --------------------------------------------------------------------------------------------------------


@pytest.fixture
def finished(tmp_path):
    row = {
        "encounter_id": "E1",
        "setting": "professional",
        "service_date": "2026-05-04",
        "diagnoses": ["E11.9", "I10"],
        "finished_by": "ann",
        "finished_at": "2026-05-05T10:00:00Z",
    }
    (tmp_path / "chart.json").write_text(json.dumps(row))
    return tmp_path / "chart.json"


def test_the_command_writes_the_claim_of_a_file(run, finished):
    done = run("claim", finished)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["transaction"] == "005010X222A1"


def test_the_command_writes_fhir_into_a_file(run, finished, tmp_path):
    assert run("claim", finished, "--format", "fhir", "--to", tmp_path / "out.json").exit_code == 0
    assert json.loads((tmp_path / "out.json").read_text())["resourceType"] == "Bundle"


def test_the_command_reads_the_log(run, tmp_path):
    with DecisionLog(tmp_path / "log.sqlite") as log:
        log.record(decision("I50.23"), review("I50.23"))
    (tmp_path / "facts.json").write_text('{"discharge_status": "01"}')
    done = run("claim", "E1", "--db", tmp_path / "log.sqlite", "--facts", tmp_path / "facts.json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["loop_2300"]["CL1"]["patient_status"] == "01"


def test_an_unfinished_chart_leaves_with_5_and_names_what_is_open(run, tmp_path):
    with DecisionLog(tmp_path / "log.sqlite") as log:
        log.record(decision("I50.23"), decision("E78.5", "defer"))
    done = run("claim", "E1", "--db", tmp_path / "log.sqlite", "--to", tmp_path / "out.json")
    assert done.exit_code == 5
    assert "E78.5 was put off by ann" in done.output
    assert not (tmp_path / "out.json").exists()


def test_an_overflow_leaves_with_2(run, tmp_path):
    codes = [f"R{i}" for i in ("00.0 00.1 00.2 01.0 04.2 05.1 05.2 06.1 06.2 06.3 06.6 06.7 06.81".split())]
    row = {"encounter_id": "E1", "setting": "professional", "service_date": "2026-05-04", "diagnoses": codes}
    (tmp_path / "c.json").write_text(json.dumps({**row, "finished_by": "a", "finished_at": "2026-05-05T10:00:00Z"}))
    assert run("claim", tmp_path / "c.json").exit_code == 2
    assert run("claim", tmp_path / "c.json", "--overflow", "leave-out").exit_code == 0


def test_the_chart_and_its_edits_can_be_looked_at_unfinished(run, tmp_path):
    (tmp_path / "c.json").write_text('{"encounter_id": "E1", "diagnoses": ["I10"], "service_date": "2026-05-04"}')
    assert json.loads(run("claim", tmp_path / "c.json", "--format", "chart").stdout)["diagnoses"] == [{"code": "I10"}]
    (tmp_path / "claim.json").write_text(run("claim", tmp_path / "c.json", "--format", "edits").stdout)
    assert run("edits", tmp_path / "claim.json").exit_code == 0


@pytest.mark.parametrize("name", ["chart", "claim"])
def test_the_schemas_are_published(run, name):
    assert json.loads(run("claim", "--schema", name).stdout)["version"] == 1


def test_no_chart_is_an_error(run):
    assert run("claim").exit_code == 2
    assert run("claim", "nothing.json").exit_code == 2


def test_the_desk_gives_age_and_dates_and_says_what_its_chart_waits_for(log):
    from codesuggest.desk.tables import charts, create_tables

    create_tables(log.chain.engine)
    log.record(decision("I50.23"), review("I50.23"))
    row = {"chart_id": "c1", "encounter_id": "E1", "status": "in_audit", "kinds": "[]", "n_documents": 1, "n_words": 3}
    row |= {"imported_at": "2026-05-05T00:00:00.000000+00:00", "age_years": 70.0, "sex": "M"}
    row |= {"admitted_on": "2026-04-28", "discharged_on": "2026-05-04"}
    with log.chain.engine.begin() as connection:
        connection.execute(charts.insert().values(**row))
    chart = chart_from_log(log, "E1")
    assert (chart.patient.age_years, chart.patient.sex, chart.admission_date) == (70.0, "M", dt.date(2026, 4, 28))
    assert open_words(log) == ["the chart is in audit at the desk"]
