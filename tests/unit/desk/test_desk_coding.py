"""What a coder does with a chart: decisions, sequence, queries, finish; and what an auditor does after."""

import threading

import pytest
from desk_helpers import DATABASES, PROGRESS, SUMMARY, event_id, note, open_desk

from codesuggest.decisions import DecisionLog
from codesuggest.decisions.database import reading
from codesuggest.desk.coding import Acknowledged, Wanted
from codesuggest.desk.errors import ForbiddenError, MissingChartError, OpenItemsError, RequestError, StateError
from codesuggest.errors import CodesuggestError, DecisionConflictError, InvalidCodeError, InvalidSpanError
from codesuggest.query_log import QueryLog

PNEUMONIA, HYPERTENSION, DIABETES = "J18.9", "I10", "E11.9"


@pytest.fixture(params=DATABASES)
def desk(request, tmp_path, suggester):
    with open_desk(tmp_path, suggester, kind=request.param) as made:
        made.id = made.chart(setting="outpatient")
        made.store.claim(made.id, made.who("ann"))
        yield made


@pytest.fixture
def lite(tmp_path, suggester):
    with open_desk(tmp_path, suggester) as made:
        made.id = made.chart(setting="outpatient")
        made.store.claim(made.id, made.who("ann"))
        yield made


def decide(desk, action, code, *, who="ann", event=None, **more):
    return desk.coding.decide(desk.id, desk.who(who), Wanted(event or event_id(), action, code, **more))


def whole(desk, who="ann"):
    import json

    return json.loads(desk.coding.chart(desk.store.open(desk.id, desk.who(who)), desk.who(who)))


def code_of(chart, code):
    return next(c for c in chart["codes"] if c["code"] == code)


def finish(desk, who="ann", event=None, acknowledged=()):
    return desk.coding.finish(desk.id, desk.who(who), event or event_id(), acknowledged)


def log(desk):
    return DecisionLog(desk.services.engine)


def accept_all(desk):
    for code in [c["code"] for c in whole(desk)["codes"] if c["selected"] and c["decision"] is None]:
        decide(desk, "accept", code)


# -- the chart ------------------------------------------------------------------------------------------------------------


def test_a_code_of_two_documents_is_one_with_the_evidence_of_both(lite):
    found = code_of(whole(lite), PNEUMONIA)
    assert {e["document"] for e in found["evidence"]} == {0, 1}
    assert found["probability"] == max(d["probability"] for d in found["by_document"])
    assert found["n_evidence"] == len(found["evidence"])


def test_every_excerpt_is_the_text_at_its_place(lite):
    chart = whole(lite)
    texts = [d["text"] for d in chart["documents"]]
    assert texts == [SUMMARY, PROGRESS]
    for code in (*chart["codes"], *chart["suppressed"]):
        for e in code["evidence"]:
            assert texts[e["document"]][e["start"] : e["end"]] == e["excerpt"]


def test_codes_are_ranked_by_probability_then_code(lite):
    codes = whole(lite)["codes"]
    assert [c["rank"] for c in codes] == list(range(1, len(codes) + 1))
    assert codes == sorted(codes, key=lambda c: (-c["probability"], c["code"]))


def test_what_was_left_out_says_why(lite):
    found = next(s for s in whole(lite)["suppressed"] if s["code"] == "I26.99")
    assert found["reason"] == "absent"
    assert SUMMARY[found["cue"]["start"] : found["cue"]["end"]].lower().startswith("no")


def test_a_note_that_could_not_be_read_is_a_document_with_its_error(lite):
    import json

    from codesuggest.desk.scorer import Scored
    from codesuggest.records import Failure

    bad = note("bad", "x " * 20, encounter_id="E-9")
    lite.store.add([(bad, Scored(json.dumps(Failure("bad", "CS158", "not text").to_dict()), 0, True, 422))], who=lite.who("max"))
    lite.id = lite.store.chart_id("E-9")
    lite.store.claim(lite.id, lite.who("ann"))
    assert whole(lite)["documents"][0]["error"] == {"id": "CS158", "message": "not text"}


# -- decisions ------------------------------------------------------------------------------------------------------------


def test_a_decision_is_recorded_for_every_document_that_suggested_the_code(desk):
    answer = decide(desk, "accept", PNEUMONIA, event="event-01")
    made = list(log(desk).decisions(encounter_id="E-1"))
    assert answer["recorded"]
    assert [(d.note_id, d.event_id, d.final_code) for d in made] == [
        ("E-1-1", "event-01", PNEUMONIA),
        ("E-1-2", "event-01#2", PNEUMONIA),
    ]
    assert all(d.evidence and d.text_sha256 and d.probability for d in made)
    assert {e["document"] for e in answer["decision"]["evidence"]} == {0, 1}


def test_sent_twice_it_is_recorded_once(desk):
    first = decide(desk, "accept", PNEUMONIA, event="event-01")
    desk.clock.forward(minutes=1)
    again = decide(desk, "accept", PNEUMONIA, event="event-01")
    assert (first["recorded"], again["recorded"]) == (True, False)
    assert again["decision"] == first["decision"]
    assert len(list(log(desk).decisions())) == 2


@pytest.mark.parametrize(
    "more",
    [
        {"action": "reject"},
        {"code": HYPERTENSION},
        {"reason": "another"},
        {"evidence": ((0, 0, 9),)},
        {"action": "replace", "final_code": "J15.9"},
    ],
)
def test_the_same_event_id_with_other_content_is_refused(lite, more):
    decide(lite, "accept", PNEUMONIA, event="event-01")
    changed = {"action": "accept", "code": PNEUMONIA, **more}
    with pytest.raises(DecisionConflictError, match="CS505"):
        decide(lite, changed.pop("action"), changed.pop("code"), event="event-01", **changed)


def test_the_same_event_sent_at_once_by_many_is_recorded_once(desk):
    outcomes, barrier = [], threading.Barrier(5)

    def send():
        barrier.wait()
        try:
            outcomes.append(decide(desk, "accept", HYPERTENSION, event="event-01")["recorded"])
        except CodesuggestError as error:
            outcomes.append(error.error_id)

    threads = [threading.Thread(target=send) for _ in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(outcomes) == [False] * 4 + [True]
    assert len(list(log(desk).decisions())) == 1


def test_evidence_that_the_coder_chose_takes_the_place_of_the_suggestions(lite):
    start = SUMMARY.index("Pneumonia.")
    decision = decide(lite, "accept", PNEUMONIA, evidence=((0, start, start + 9),))["decision"]
    assert decision["evidence"] == [{"document": 0, "start": start, "end": start + 9}]


@pytest.mark.parametrize("place", [(0, 5, 5), (0, 9, 5), (2, 0, 1), (0, 0, 10**6)])
def test_a_range_outside_its_document_is_refused(lite, place):
    with pytest.raises(InvalidSpanError, match="CS618"):
        decide(lite, "accept", PNEUMONIA, evidence=(place,))


def test_undo_makes_a_code_undecided_again(desk):
    decide(desk, "accept", PNEUMONIA)
    decision = decide(desk, "retract", PNEUMONIA)["decision"]
    assert decision is None
    assert code_of(whole(desk), PNEUMONIA)["decision"] is None
    assert whole(desk)["final_codes"] == []


def test_there_is_nothing_to_take_back_before_a_decision(lite):
    with pytest.raises(StateError, match="CS616"):
        decide(lite, "retract", PNEUMONIA)


def test_a_replaced_code_leaves_its_place_to_the_other(lite):
    decide(lite, "replace", PNEUMONIA, final_code="J15.9")
    assert [c["code"] for c in whole(lite)["final_codes"]] == ["J15.9"]


def test_an_added_code_stands_at_the_end_with_the_coders_words(lite):
    start = SUMMARY.index("ceftriaxone")
    decide(lite, "add", "Z79.2", evidence=((0, start, start + 11),))
    added = whole(lite)["codes"][-1]
    assert (added["code"], added["probability"], added["rank"], added["status"]) == ("Z79.2", None, None, "added")
    assert [e["excerpt"] for e in added["evidence"]] == ["ceftriaxone"]


@pytest.mark.parametrize("code", ["E11", "J18", "Q99.Z", "T14.91"])
def test_only_billable_codes_of_the_release_become_final(lite, code):
    with pytest.raises(InvalidCodeError, match=r"CS617|CS100"):
        decide(lite, "add", code)


def test_a_code_without_its_dot_is_the_same_code(lite):
    decide(lite, "accept", "j189", event="event-01")
    assert decide(lite, "accept", "J18.9", event="event-01")["recorded"] is False


@pytest.mark.parametrize(("who", "error"), [("ben", MissingChartError), ("eve", MissingChartError), ("max", ForbiddenError)])
def test_only_its_holder_decides_about_a_chart(lite, who, error):
    with pytest.raises(error):
        decide(lite, "accept", PNEUMONIA, who=who)


def test_who_lost_the_chart_meanwhile_decides_nothing(lite):
    lite.store.assign(lite.id, lite.who("max"), "ben")
    with pytest.raises(MissingChartError, match="CS610"):
        decide(lite, "accept", PNEUMONIA)
    assert list(log(lite).decisions()) == []


# -- sequence -------------------------------------------------------------------------------------------------------------


def test_codes_stand_in_the_order_of_their_decisions_until_the_draft_orders_them(desk):
    for code in (PNEUMONIA, HYPERTENSION, DIABETES):
        decide(desk, "accept", code)
    assert [c["code"] for c in whole(desk)["final_codes"]] == [PNEUMONIA, HYPERTENSION, DIABETES]
    desk.store.put_draft(
        desk.id, desk.who("ann"), 0, [("ICD-10-CM", DIABETES, "Y"), ("ICD-10-CM", "Z99.9", None), ("ICD-10-CM", PNEUMONIA, "N")]
    )
    assert [(c["code"], c["poa"]) for c in whole(desk)["final_codes"]] == [
        (DIABETES, "Y"),
        (PNEUMONIA, "N"),
        (HYPERTENSION, None),
    ]


def test_a_draft_sent_twice_is_one_revision(lite):
    for _ in range(2):
        assert lite.store.put_draft(lite.id, lite.who("ann"), 0, [("ICD-10-CM", "I10", "Y")]).draft_revision == 1


def test_an_old_draft_is_refused(desk):
    desk.store.put_draft(desk.id, desk.who("ann"), 0, [])
    with pytest.raises(RequestError, match="CS613") as caught:
        desk.store.put_draft(desk.id, desk.who("ann"), 0, [("ICD-10-CM", "I10", "Y")])
    assert caught.value.status == 412


def test_findings_are_those_of_the_codes_that_stand(lite):
    decide(lite, "add", "E10.9")
    decide(lite, "accept", DIABETES)
    found = [f for f in whole(lite)["findings"] if {"E10.9", "E11.9"} <= set(f["codes"])]
    assert found, "Excludes1 of E11 names type 1 diabetes (E10.-)"
    chart = whole(lite)
    assert all("E11.9" in chart["findings"][i]["codes"] for i in code_of(chart, DIABETES)["findings"])


# -- queries --------------------------------------------------------------------------------------------------------------


def test_the_life_of_a_query(desk):
    start = SUMMARY.index("ceftriaxone")
    query = desk.coding.queries.write(
        desk.id, desk.who("ann"), "organism", "Please clarify the organism.", ["Other"], [(0, start, start + 11)]
    )
    assert query["indicators"][0]["excerpt"] == "ceftriaxone"
    sent = desk.coding.queries.move(desk.id, query["query_id"], desk.who("ann"), "sent")
    assert (sent["status"], whole(desk)["chart"]["status"]) == ("sent", "query_open")
    answered = desk.coding.queries.move(
        desk.id, query["query_id"], desk.who("ann"), "answered", answer="unknown", answered_by="dr-9"
    )
    assert (answered["status"], answered["answered_by"]) == ("answered", "dr-9")
    chart = whole(desk)["chart"]
    assert chart["status"] == "in_progress"  # assigned again, and opened by its coder
    assert any(r["component"] == "queries" and r["points"] == 10.0 for r in chart["reasons"])


def test_queries_of_the_desk_are_those_of_the_query_log(lite):
    query = lite.coding.queries.write(
        lite.id, lite.who("ann"), "organism", "Please clarify the organism.", ["Other"], [(0, 0, 9)]
    )
    lite.coding.queries.move(lite.id, query["query_id"], lite.who("ann"), "sent", physician="dr-9")
    state = QueryLog(lite.services.engine).state(query["query_id"])
    assert (state.status, state.topic, state.physician, state.encounter_id) == ("sent", "organism", "dr-9", "E-1")
    QueryLog(lite.services.engine).answer(query["query_id"], "agreed", answer="Pneumococcus", who="dr-9", when=lite.clock())
    assert whole(lite)["queries"][0]["status"] == "agreed"
    assert log(lite).verify() == ()


def test_a_query_that_leads_is_marked_and_not_kept_back(lite):
    question = "Please document sepsis so that the DRG reflects the severity."
    query = lite.coding.queries.write(lite.id, lite.who("ann"), "infection", question, [], [])
    rules = {p["rule"] for p in query["problems"]}
    assert {"LINT-LEADING", "LINT-MONEY", "LINT-NO-INDICATORS"} <= rules
    assert lite.coding.queries.move(lite.id, query["query_id"], lite.who("ann"), "sent")["status"] == "sent"


@pytest.mark.parametrize("what", ["agreed", "sent", "withdrawn"])
def test_a_query_that_was_withdrawn_goes_nowhere(lite, what):
    query = lite.coding.queries.write(lite.id, lite.who("ann"), "organism", "Please clarify.", [], [])
    lite.coding.queries.move(lite.id, query["query_id"], lite.who("ann"), "withdrawn", reason="found it")
    with pytest.raises(DecisionConflictError, match="CS456"):
        lite.coding.queries.move(lite.id, query["query_id"], lite.who("ann"), what, answer="x", answered_by="d")


def test_a_query_of_another_chart_is_not_there(lite):
    with pytest.raises(MissingChartError, match="CS614"):
        lite.coding.queries.move(lite.id, "0" * 20, lite.who("ann"), "sent")


# -- finish ---------------------------------------------------------------------------------------------------------------


def opened(caught):
    return {(o["kind"], o["code"]) for o in caught.value.more["open"]}


def test_a_chart_with_undecided_codes_cannot_be_finished(lite):
    with pytest.raises(OpenItemsError, match="CS620") as caught:
        finish(lite)
    assert {("undecided", PNEUMONIA), ("undecided", HYPERTENSION), ("no_codes", None)} <= opened(caught)


def test_what_was_put_off_is_open(lite):
    accept_all(lite)
    decide(lite, "defer", PNEUMONIA)
    with pytest.raises(OpenItemsError) as caught:
        finish(lite)
    assert ("deferred", PNEUMONIA) in opened(caught)


def test_a_stay_needs_poa_and_a_visit_does_not(lite):
    accept_all(lite)
    assert finish(lite)[0].status == "finished"
    lite.id = lite.chart("E-2")
    lite.store.claim(lite.id, lite.who("ann"))
    accept_all(lite)
    with pytest.raises(OpenItemsError) as caught:
        finish(lite)
    assert ("poa", PNEUMONIA) in opened(caught)


def test_a_sent_query_keeps_a_chart_open(lite):
    accept_all(lite)
    query = lite.coding.queries.write(lite.id, lite.who("ann"), "organism", "Please clarify.", [], [])
    lite.coding.queries.move(lite.id, query["query_id"], lite.who("ann"), "sent")
    lite.store.resume(lite.id, lite.who("ann"))
    with pytest.raises(OpenItemsError) as caught:
        finish(lite)
    assert opened(caught) == {("query", None)}


def test_a_finding_must_be_resolved_or_acknowledged(lite):
    accept_all(lite)
    decide(lite, "add", "E10.9")
    with pytest.raises(OpenItemsError) as caught:
        finish(lite)
    findings = [o["finding"] for o in caught.value.more["open"] if o["kind"] == "finding"]
    assert findings
    let = [Acknowledged(f["rule_id"], tuple(f["codes"]), "two conditions, documented apart") for f in findings]
    row, _ = finish(lite, acknowledged=let)
    review = next(log(lite).reviews())
    assert row.status == "finished"
    assert review.edits[findings[0]["rule_id"]] >= 1
    assert "two conditions, documented apart" in review.facts.values()


def test_the_review_holds_what_was_shown_and_the_codes_in_sequence(desk):
    accept_all(desk)
    desk.store.put_draft(desk.id, desk.who("ann"), 0, [("ICD-10-CM", DIABETES, None)])
    row, codes = finish(desk, event="finish-01")
    review = next(log(desk).reviews(encounter_id="E-1"))
    assert (row.status, row.assignee, row.coder, review.stage, review.who) == ("finished", None, "ann", "coder", "ann")
    assert review.codes == codes
    assert codes[0].code == DIABETES
    assert set(review.note_ids) == {"E-1-1", "E-1-2"}
    shown = {(s.note_id, s.code) for s in review.shown}
    assert {("E-1-1", PNEUMONIA), ("E-1-2", PNEUMONIA), ("E-1-1", HYPERTENSION)} <= shown
    assert log(desk).verify() == ()


def test_finish_sent_twice_is_one_review(desk):
    accept_all(desk)
    first = finish(desk, event="finish-01")
    again = finish(desk, event="finish-01")
    assert again[1] == first[1]
    assert len(list(log(desk).reviews())) == 1


def test_a_chart_is_finished_once(lite):
    accept_all(lite)
    finish(lite)
    with pytest.raises((StateError, MissingChartError, ForbiddenError)):
        finish(lite)


def test_its_coder_may_read_a_finished_chart_and_not_change_it(lite):
    accept_all(lite)
    finish(lite)
    assert whole(lite)["chart"]["status"] == "finished"
    with pytest.raises(ForbiddenError, match="CS602"):
        decide(lite, "retract", PNEUMONIA)


# -- audit ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def audited(tmp_path, suggester):
    with open_desk(tmp_path, suggester, worklist={"audit_share": 1.0}) as made:
        made.id = made.chart(setting="outpatient")
        made.store.claim(made.id, made.who("ann"))
        accept_all(made)
        assert finish(made)[0].status == "audit"
        yield made


def test_a_sampled_chart_goes_to_an_auditor_whose_word_stands(audited):
    assert audited.store.claim_next(audited.who("eve")).status == "in_audit"
    decide(audited, "reject", HYPERTENSION, who="eve")
    row, codes = finish(audited, "eve")
    assert row.status == "audited"
    assert HYPERTENSION not in {c.code for c in codes}
    assert [r.stage for r in log(audited).reviews()] == ["coder", "audit"]


def test_undo_of_the_auditor_leaves_the_coders_decision(audited):
    audited.store.claim(audited.id, audited.who("eve"))
    decide(audited, "reject", HYPERTENSION, who="eve")
    decision = decide(audited, "retract", HYPERTENSION, who="eve")["decision"]
    assert (decision["action"], decision["stage"]) == ("accept", "coder")


def test_a_returned_chart_is_its_coders_again(audited):
    audited.store.claim(audited.id, audited.who("eve"))
    row = audited.store.return_(audited.id, audited.who("eve"), "see E11")
    assert (row.status, row.assignee, row.hold_reason) == ("assigned", "ann", "see E11")
    assert whole(audited)["chart"]["status"] == "in_progress"


def test_a_coder_does_not_audit(audited):
    with pytest.raises(MissingChartError, match="CS610"):
        audited.store.claim(audited.id, audited.who("ben"))


def test_an_auditor_reads_nothing_before_it_is_finished(lite):
    with pytest.raises(MissingChartError, match="CS610"):
        whole(lite, "eve")
    with reading(lite.services.engine) as connection:
        assert lite.store.row(connection, lite.id).assignee == "ann"
