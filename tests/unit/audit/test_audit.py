import csv
import dataclasses
import datetime as dt
import io
import json
import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support

from codesuggest.audit import agree, charts_of, feedback_for, sample, work_report
from codesuggest.audit.agreement import kappa
from codesuggest.audit.feedback import feedback_markdown
from codesuggest.audit.page import report_csv, report_page
from codesuggest.audit.second import beside, read_second, record_second
from codesuggest.audit.work import QueryRow
from codesuggest.decisions import DecisionLog
from codesuggest.errors import ConfigError, InputFormatError
from codesuggest.records import Decision, FinalCode, Review, Shown

CODES = ["I10", "E11.9", "E11.65", "J45.909", "M10.9", "N18.30", "I50.9", "I50.23", "J44.9", "K21.9"]
START = dt.datetime(2026, 5, 4, 8, tzinfo=dt.UTC)


def finished(encounter, coder, codes, *, minute=0, shown=(), facts=None, edits=None, stage="coder", length=10):
    opened = START + dt.timedelta(minutes=minute)
    return Review(
        encounter,
        (f"{encounter}-n1",),
        stage,
        coder,
        opened,
        opened + dt.timedelta(minutes=length),
        tuple(Shown(f"{encounter}-n1", c, i, 0.9, selected) for i, (c, selected) in enumerate(shown, 1)),
        tuple(c if isinstance(c, FinalCode) else FinalCode(c) for c in codes),
        facts or {},
        edits or {},
        event_id=f"{encounter}-{stage}",
    )


def decided(encounter, code, action, who="ann", *, stage="coder", final=None, p=None, reason="", minute=5):
    when = START + dt.timedelta(minutes=minute)
    return Decision(
        f"{encounter}-n1", code, action, stage, who, when, final, encounter_id=encounter, probability=p, reason=reason
    )


@pytest.fixture
def log():
    made = DecisionLog("sqlite://")
    yield made
    made.close()


def random_log(log, n, *, seed=0, audited=0.5, coders=("ann", "ben", "cy")):
    rng = np.random.default_rng(seed)
    for i in range(n):
        given = list(rng.choice(CODES, rng.integers(1, 6), replace=False))
        encounter, coder = f"e{i:03}", coders[i % len(coders)]
        log.record(finished(encounter, coder, given, minute=i))
        if rng.random() < audited:
            right = [c for c in given if rng.random() < 0.8] + [str(c) for c in rng.choice(CODES, 1) if c not in given]
            log.record(finished(encounter, "eve", right or ["Z00.00"], minute=i + 500, stage="audit"))
    return charts_of(log)


# --------------------------------------------------------------------------------------------------------------- agreement


@pytest.mark.parametrize("seed", range(4))
def test_agreement_is_that_of_scikit_learn_on_the_same_table(log, seed):
    charts = [c for c in random_log(log, 60, seed=seed) if c.audited_codes is not None]
    found = agree(charts, n_draws=20)
    universe = sorted({f.code for c in charts for f in (*c.codes, *c.audited_codes)})
    coder = np.array([[code in {f.code for f in c.codes} for code in universe] for c in charts]).ravel()
    auditor = np.array([[code in {f.code for f in c.audited_codes} for code in universe] for c in charts]).ravel()
    precision, recall, f1, _ = precision_recall_fscore_support(auditor, coder, average="binary")
    assert found.kappa.value == pytest.approx(cohen_kappa_score(coder, auditor), abs=1e-12)
    assert (found.precision.value, found.recall.value, found.f1.value) == pytest.approx((precision, recall, f1), abs=1e-12)
    for one in found.by_code:
        i = universe.index(one.code)
        a, b = coder.reshape(len(charts), -1)[:, i], auditor.reshape(len(charts), -1)[:, i]
        assert one.kappa == pytest.approx(cohen_kappa_score(a, b), abs=1e-12, nan_ok=True)


def test_kappa_of_the_textbook():
    # Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions: 20, 5, 10, 15 gives 0.4
    assert kappa(20, 5, 10, 15) == pytest.approx(0.4)
    assert math.isnan(kappa(10, 0, 0, 0))
    assert kappa(0, 5, 5, 0) == pytest.approx(-1.0)


def test_principal_errors_are_counted_apart(log):
    log.record(finished("e1", "ann", ["I10", "E11.9"]), finished("e1", "eve", ["E11.9", "I10"], stage="audit"))
    log.record(finished("e2", "ann", ["I10"]), finished("e2", "eve", ["I10"], stage="audit"))
    found = agree(charts_of(log), n_draws=10)
    assert (found.f1.value, found.n_principal, found.n_principal_right) == (1.0, 2, 1)
    assert [(d.kind, d.coded, d.audited) for d in found.disagreements] == [("principal", "I10", "E11.9")]


def test_another_code_of_the_category_is_one_disagreement(log):
    log.record(finished("e1", "ann", ["I50.9", "K21.9"]), finished("e1", "eve", ["I50.23", "J44.9"], stage="audit"))
    kinds = {(d.kind, d.coded, d.audited) for d in agree(charts_of(log), n_draws=10).disagreements}
    assert kinds == {
        ("other code", "I50.9", "I50.23"),
        ("not supported", "K21.9", ""),
        ("missed", "", "J44.9"),
        ("principal", "I50.9", "I50.23"),
    }


def test_poa_is_compared_where_both_gave_it(log):
    log.record(finished("e1", "ann", [FinalCode("I10", poa="Y"), FinalCode("E11.9")]))
    log.record(finished("e1", "eve", [FinalCode("I10", poa="N"), FinalCode("E11.9", poa="Y")], stage="audit"))
    found = agree(charts_of(log), n_draws=10)
    assert (found.n_poa, found.n_poa_right) == (1, 0)


def test_nothing_audited_is_an_error(log):
    log.record(finished("e1", "ann", ["I10"]))
    with pytest.raises(ConfigError, match="CS721"):
        agree(charts_of(log))


def test_decisions_of_an_auditor_are_carried_out_on_the_coders_codes(log):
    log.record(
        finished("e1", "ann", ["I50.9", "I10", "K21.9"]),
        decided("e1", "I50.9", "replace", "eve", stage="audit", final="I50.23", reason="acute on chronic is documented"),
        decided("e1", "K21.9", "reject", "eve", stage="audit"),
        decided("e1", "E11.9", "add", "eve", stage="audit"),
    )
    chart = charts_of(log)[0]
    assert [c.code for c in chart.audited_codes] == ["I50.23", "I10", "E11.9"]
    assert chart.auditor == "eve"
    assert chart.reasons == (("I50.9", "replace", "acute on chronic is documented"),)


def test_history_without_reviews_gives_charts_too(log):
    log.record(
        decided("e1", "I10", "accept", p=0.7), decided("e1", "E11.9", "replace", final="E11.65"), decided("e1", "K21.9", "reject")
    )
    chart = charts_of(log)[0]
    assert ([c.code for c in chart.codes], chart.principal, chart.minutes, chart.confidence) == (["I10", "E11.65"], "", None, 0.7)


# ----------------------------------------------------------------------------------------------------------------- samples


def test_a_sample_does_not_depend_on_the_order_and_grows(log):
    charts = random_log(log, 40, audited=0)
    first = [s.encounter_id for s in sample(charts, 5, seed=3)]
    assert first == [s.encounter_id for s in sample(charts[::-1], 5, seed=3)]
    assert set(first) < {s.encounter_id for s in sample(charts, 12, seed=3)}
    assert first != [s.encounter_id for s in sample(charts, 5, seed=4)]


def test_every_chart_is_drawn_as_often(log):
    charts = random_log(log, 20, audited=0)
    times = {c.encounter_id: 0 for c in charts}
    for seed in range(600):
        for s in sample(charts, 5, seed=seed):
            times[s.encounter_id] += 1
    expected, spread = 600 * 5 / 20, math.sqrt(600 * 0.25 * 0.75)
    assert all(abs(n - expected) < 4.5 * spread for n in times.values())


def test_as_many_of_every_coder_and_nothing_twice(log):
    charts = random_log(log, 60, audited=0.3)
    chosen = sample(charts, 4, per_coder=True)
    assert {c: sum(s.coder == c for s in chosen) for c in ("ann", "ben", "cy")} == {"ann": 4, "ben": 4, "cy": 4}
    done = {c.encounter_id for c in charts if c.audited_codes is not None}
    assert not done & {s.encounter_id for s in chosen}
    assert all(0 < s.probability <= 1 for s in chosen)


def test_targeted_samples(log):
    log.record(finished("e1", "ann", ["I10"]), decided("e1", "I10", "accept", p=0.95))
    log.record(finished("e2", "ann", ["I50.23"]), decided("e2", "I50.23", "accept", p=0.45), decided("e2", "I10", "reject"))
    charts = charts_of(log)
    assert sample(charts, 1, strategy="low confidence")[0].encounter_id == "e2"
    assert sample(charts, 1, strategy="changed")[0].encounter_id == "e2"
    weighing = sample(charts, 1, strategy="high impact", impact=["I50.23"])[0]
    assert (weighing.encounter_id, weighing.why, weighing.probability) == ("e2", "codes that weigh: I50.23", None)
    assert [s.encounter_id for s in sample(charts, 9, code="I50")] == ["e2"]


def test_a_worksheet_is_blind(log):
    log.record(finished("e1", "ann", ["I10"]))
    sheet = json.dumps(sample(charts_of(log), 1)[0].worksheet())
    assert "ann" not in sheet
    assert "I10" not in sheet


@pytest.mark.parametrize("wrong", [{"n": 0}, {"strategy": "best"}, {"strategy": "high impact"}])
def test_a_sample_that_cannot_be_drawn(log, wrong):
    with pytest.raises(ConfigError, match="CS720"):
        sample((), **({"n": 3} | wrong))


# ------------------------------------------------------------------------------------------------- second coding, feedback


def worksheet(tmp_path, *rows):
    file = tmp_path / "second.jsonl"
    file.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return file


def test_a_second_coding_goes_into_the_log_once(log, tmp_path):
    log.record(finished("e1", "ann", ["I50.9", "I10"]), decided("e1", "I50.9", "accept"), decided("e1", "I10", "accept"))
    charts = charts_of(log)
    second = read_second(
        worksheet(tmp_path, {"encounter_id": "e1", "who": "eve", "codes": ["i5023", {"code": "I10", "poa": "Y"}]})
    )
    assert record_second(log, charts, second) == 4
    assert record_second(log, charts, second) == 0
    assert {k[2]: d.action for k, d in log.standing(encounter_id="e1").items()} == {
        "I50.9": "reject",
        "I50.23": "add",
        "I10": "accept",
    }
    assert [c.code for c in charts_of(log)[0].audited_codes] == ["I50.23", "I10"]


def test_a_second_coding_of_an_unknown_encounter_is_named(log, tmp_path):
    log.record(finished("e1", "ann", ["I10"]))
    found, unknown = beside(
        charts_of(log), read_second(worksheet(tmp_path, {"encounter_id": "e9", "who": "eve", "codes": ["I10"]}))
    )
    assert (found, unknown) == ((), ("e9",))


@pytest.mark.parametrize("line", ["{", "[]", '{"encounter_id": "e1", "codes": []}', '{"encounter_id": "e1", "who": "", "codes": ["I10"]}',
                                  '{"encounter_id": "e1", "who": "eve", "codes": ["???"]}'])  # fmt: skip
def test_a_worksheet_line_that_cannot_be_read_is_named(tmp_path, line):
    with pytest.raises(InputFormatError, match=r"CS723.*line 2"):
        read_second(worksheet(tmp_path, {"encounter_id": "e1", "who": "eve", "codes": ["I10"]}, line))


def test_feedback_names_what_to_look_at_again(log):
    for i in range(3):
        log.record(finished(f"e{i}", "ann", ["I50.9", "I10"]))
        log.record(decided(f"e{i}", "I50.9", "replace", "eve", stage="audit", final="I50.23", reason="type is documented"))
    log.record(finished("e7", "ben", ["I10"]), finished("e7", "eve", ["I10"], stage="audit"))
    made = feedback_for(charts_of(log), "ann", n_draws=10)
    assert [(p.kind, p.coded, p.audited, p.n) for p in made.patterns] == [
        ("principal", "I50.9", "I50.23", 3),
        ("other code", "I50.9", "I50.23", 3),
    ]
    text = feedback_markdown(made, titles={"I50.9": "Heart failure, unspecified"})
    assert "another code of the category: **I50.9** Heart failure, unspecified → **I50.23**" in text
    assert "type is documented" in text
    assert made.peers.n_charts == 4
    with pytest.raises(ConfigError, match=r"CS722.*ann, ben"):
        feedback_for(charts_of(log), "zoe")


# ------------------------------------------------------------------------------------------------------------------ report


def busy_log(log):
    log.record(
        decided("e1", "I50.9", "replace", final="I50.23"),
        decided("e1", "I10", "accept"),
        decided("e1", "K21.9", "reject"),
        decided("e1", "E11.9", "add"),
        finished(
            "e1",
            "ann",
            ["I50.23", "I10", "E11.9"],
            shown=[("I50.9", True), ("I10", True), ("K21.9", True), ("M10.9", True), ("J44.9", False)],
            facts={"kind": "discharge summary", "date_of_service": "2026-05-01"},
            edits={"excludes1": 2},
        ),
        finished("e2", "ben", ["I10"], minute=60 * 24, length=30, facts={"kind": "visit note", "date_of_service": "2026-05-05"}),
        finished("e1", "eve", ["I50.23", "I10"], stage="audit", minute=100),
    )
    return charts_of(log)


def test_report_counts_the_work(log):
    report = work_report(busy_log(log), by="coder")
    ann, ben = report.rows
    assert (ann.name, ann.n_accepted, ann.n_edited, ann.n_rejected, ann.n_added, ann.n_passed_over) == ("ann", 1, 1, 1, 1, 1)
    assert (ann.minutes_median, ann.turnaround_median, ann.n_edits, ann.n_audited) == (10, 3, 2, 1)
    assert ann.acceptance == pytest.approx(1 / 3)
    assert ann.untouched == pytest.approx(1 / 3)
    assert (ann.model_precision, ann.model_recall) == (0.25, 0.5)
    assert (ann.coder_precision, ann.coder_recall, ann.principal_accuracy) == (pytest.approx(2 / 3), 1.0, 1.0)
    assert (ben.minutes_median, math.isnan(ben.acceptance), math.isnan(ben.coder_recall)) == (30, True, True)
    assert report.total.n_charts == 2
    assert report.edits == (("excludes1", 2, 1),)
    assert ("I50.9", "I50.23", 1) in report.changed


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("day", ["2026-05-04", "2026-05-05"]),
        ("coder", ["ann", "ben"]),
        ("kind", ["discharge summary", "visit note"]),
        ("payer", ["not stated"]),
    ],
)
def test_report_by(log, by, names):
    report = work_report(busy_log(log), by=by)
    assert [row.name for row in report.rows] == names
    assert sum(row.n_codes for row in report.rows) == report.total.n_codes


def test_report_by_something_else(log):
    with pytest.raises(ConfigError, match="CS724"):
        work_report((), by="moon")


def test_queries_are_counted(log):
    sent = START + dt.timedelta(hours=1)
    rows = [
        QueryRow("e1", "heart failure type", "dr a", sent, sent + dt.timedelta(hours=6), True),
        QueryRow("e1", "anemia", "dr a", sent, None, None),
        QueryRow("elsewhere", "anemia", "dr a", sent, None, None),
    ]
    total = work_report(busy_log(log), queries=rows).total
    assert (total.query_rate, total.query_response, total.query_hours_median, total.query_agreement) == (1.0, 0.5, 6.0, 1.0)


def test_csv_and_page(log):
    report = work_report(busy_log(log), by="coder")
    rows = list(csv.DictReader(io.StringIO(report_csv(report))))
    assert [r["coder"] for r in rows] == ["ann", "ben", "all"]
    assert rows[1]["acceptance"] == ""
    page = report_page(report)
    assert page.count("<img ") == 4
    assert "I50.23" in page
    assert "<script" not in page
    evil = work_report([dataclasses.replace(c, coder="=cmd()<b>") for c in busy_log(DecisionLog("sqlite://"))], by="coder")
    assert "<b>'" not in report_page(evil)
    assert "&lt;b&gt;" in report_page(evil)
    assert report_csv(evil).splitlines()[1].startswith("'=cmd()")


def test_an_empty_log_gives_an_empty_report(log):
    report = work_report(charts_of(log))
    assert (report.total.n_charts, report.rows) == (0, ())
    assert "no charts" in report_page(report)
    json.dumps(report.to_dict(), allow_nan=False)


def test_time_limits_are_half_open(log):
    busy_log(log)
    finish = START + dt.timedelta(minutes=10)
    assert [c.encounter_id for c in charts_of(log, since=finish)] == ["e1", "e2"]
    assert [c.encounter_id for c in charts_of(log, until=finish)] == []


# ---------------------------------------------------------------------------------------------------------------- commands


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "log.sqlite"
    with DecisionLog(path) as log:
        busy_log(log)
    return path


def test_commands(file, run, tmp_path):
    drawn = run("audit", "sample", 5, "--db", file, "--audited")
    assert drawn.exit_code == 0, drawn.output
    assert "ann" in drawn.output
    sheet = tmp_path / "sheet.jsonl"
    assert run("audit", "sample", 5, "--db", file, "--to", sheet).exit_code == 0
    assert json.loads(sheet.read_text(encoding="utf-8").splitlines()[0])["codes"] == []
    agreed = run("audit", "agree", "--db", file, "--by-coder")
    assert agreed.exit_code == 0, agreed.output
    assert "0.67" in agreed.output
    told = run("audit", "feedback", "ann", "--db", file)
    assert told.exit_code == 0, told.output
    assert "coded, not supported: **E11.9**" in told.output
    page, table = tmp_path / "r.html", tmp_path / "r.csv"
    reported = run("report", "--db", file, "--by", "coder", "--html", page, "--csv", table)
    assert reported.exit_code == 0, reported.output
    assert "0.33" in reported.output
    assert page.stat().st_size > 10_000
    assert json.loads(run("report", "--db", file, "--json").output)["total"]["n_charts"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "--db", "no-such.sqlite"),
        ("report", "--db", "no-such.jsonl"),
        ("audit", "agree", "--db", "no-such.sqlite"),
        ("audit", "sample", "0"),
        ("audit", "feedback", "nobody", "--db", "no-such.sqlite"),
    ],
)
def test_wrong_input_gives_one_message(run, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code in (2, 3, 4)
    assert "Traceback" not in result.output
