"""Training rows: what is learned, what counts how much, and what is left out with the reason."""

import datetime as dt
import hashlib
import random
import uuid

import pytest

from codesuggest.codes.build import compile_release
from codesuggest.codes.releases import Releases, shipped_folder
from codesuggest.decisions import DecisionLog
from codesuggest.decisions.training import REASONS, notes_of, side_of, training_rows
from codesuggest.errors import ConfigError, NoReleaseError
from codesuggest.records import Decision, FinalCode, Note, Review, Shown, Span

NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
TEXT = "Asthma. Hypertension. No cough."
ASTHMA = ((Span(0, 6),),)


def decision(code="J45.909", action="accept", minute=0, **facts):
    given = {"note_id": "n1", "stage": "coder", "who": "ann", "event_id": uuid.uuid4().hex, **facts}
    return Decision(code=code, action=action, when=NOON + dt.timedelta(minutes=minute), **given)


def review(shown=(), codes=(), **facts):
    given = {
        "encounter_id": "e1",
        "note_ids": ("n1",),
        "stage": "coder",
        "who": "ann",
        "opened": NOON,
        "finished": NOON + dt.timedelta(hours=1),
        **facts,
    }
    return Review(
        shown=tuple(Shown(note_id, code, i, 0.5) for i, (note_id, code) in enumerate(shown, 1)),
        codes=tuple(FinalCode(code) for code in codes),
        **given,
    )


@pytest.fixture
def rows(tmp_path):
    """Record, and return the training rows."""

    def rows(*made, notes=None, **options):
        with DecisionLog(tmp_path / f"{uuid.uuid4().hex}.sqlite") as log:
            log.record(*made, revises=None)
            return training_rows(log, {"n1": TEXT} if notes is None else notes, **options)

    return rows


def reasons(found):
    return [(x.reason, x.note_id, x.code) for x in found.left_out]


class TestWhatIsLearned:
    @pytest.mark.parametrize("action", ["accept", "add"])
    def test_accepted_and_added_codes_are_positives_with_their_evidence(self, rows, action):
        (row,) = rows(decision(action=action, evidence=ASTHMA)).rows
        assert (row.positives, row.rejected, row.passed_over) == ({"J45.909": ASTHMA}, frozenset(), frozenset())

    def test_discontinuous_evidence_is_kept(self, rows):
        evidence = ((Span(0, 6), Span(8, 20)),)
        assert rows(decision(evidence=evidence)).rows[0].positives == {"J45.909": evidence}

    def test_a_rejected_code_is_a_negative(self, rows):
        (row,) = rows(decision("R05.9", "reject")).rows
        assert (row.positives, row.rejected, row.weights) == ({}, {"R05.9"}, {"R05.9": 1.0})

    def test_a_replaced_code_is_both(self, rows):
        (row,) = rows(decision("E11.9", "replace", final_code="E11.65", evidence=ASTHMA)).rows
        assert (row.positives, row.rejected) == ({"E11.65": ASTHMA}, {"E11.9"})

    def test_what_a_finished_review_showed_and_nobody_took_is_passed_over(self, rows):
        (row,) = rows(decision(), review([("n1", "J45.909"), ("n1", "R05.9")], ["J45.909"])).rows
        assert (set(row.positives), row.passed_over, row.weights["R05.9"]) == ({"J45.909"}, {"R05.9"}, 0.25)

    def test_without_a_finished_review_nothing_is_passed_over(self, rows):
        assert rows(decision()).rows[0].passed_over == frozenset()

    def test_a_deferred_code_is_neither(self, rows):
        found = rows(decision(), decision("R05.9", "defer"), review([("n1", "R05.9")]))
        assert (found.rows[0].rejected, found.rows[0].passed_over) == (frozenset(), frozenset())
        assert reasons(found) == [("undecided", "n1", "R05.9")]

    def test_a_retracted_code_is_neither(self, rows):
        found = rows(decision(), decision("R05.9"), decision("R05.9", "retract", minute=1), review([("n1", "R05.9")]))
        assert (set(found.rows[0].positives), found.rows[0].passed_over) == ({"J45.909"}, frozenset())
        assert reasons(found) == [("overruled", "n1", "R05.9"), ("undecided", "n1", "R05.9")]

    def test_one_code_system_at_a_time(self, rows):
        made = (decision(), decision("BW03ZZZ", system="ICD-10-PCS"))
        assert set(rows(*made).rows[0].positives) == {"J45.909"}
        assert set(rows(*made, system="ICD-10-PCS").rows[0].positives) == {"BW03ZZZ"}

    def test_an_empty_log(self, rows):
        found = rows()
        assert (found.rows, found.left_out, found.counts()["positives"]) == ((), (), 0)


class TestWhoseWord:
    def test_the_auditors_counts_double(self, rows):
        (row,) = rows(decision(stage="audit"), decision("R05.9", "reject")).rows
        assert row.weights == {"J45.909": 2.0, "R05.9": 1.0}

    def test_weights_are_the_callers_to_set(self, rows):
        weights = {"audit": 5.0, "coder": 2.0, "passed over": 0.5}
        assert rows(decision(stage="audit"), weights=weights).rows[0].weights == {"J45.909": 5.0}

    @pytest.mark.parametrize("weights", [{}, {"audit": 1.0, "coder": 0, "passed over": 1.0}])
    def test_weights_that_are_none(self, rows, weights):
        with pytest.raises(ConfigError, match="CS539"):
            rows(decision(), weights=weights)

    def test_the_auditor_overrules_and_the_coders_word_is_listed(self, rows):
        found = rows(decision(minute=9), decision(action="reject", stage="audit", who="eve"))
        assert (found.rows[0].rejected, found.rows[0].positives) == ({"J45.909"}, {})
        assert reasons(found) == [("overruled", "n1", "J45.909")]

    def test_the_coders_evidence_stays_where_the_auditor_agrees_and_marked_none(self, rows):
        (row,) = rows(decision(evidence=ASTHMA), decision(stage="audit", who="eve")).rows
        assert (row.positives, row.weights) == ({"J45.909": ASTHMA}, {"J45.909": 2.0})

    def test_the_auditors_own_evidence_takes_its_place(self, rows):
        audited = ((Span(0, 7),),)
        (row,) = rows(decision(evidence=ASTHMA), decision(stage="audit", who="eve", evidence=audited)).rows
        assert row.positives == {"J45.909": audited}

    def test_within_a_stage_the_latest(self, rows):
        found = rows(decision(minute=2), decision(action="reject", minute=1))
        assert set(found.rows[0].positives) == {"J45.909"}
        assert reasons(found) == [("overruled", "n1", "J45.909")]

    def test_a_code_that_is_rejected_and_stands_by_replacement_stands(self, rows):
        found = rows(decision("E11.65", "reject"), decision("E11.9", "replace", final_code="E11.65"))
        assert (set(found.rows[0].positives), found.rows[0].rejected) == ({"E11.65"}, {"E11.9"})
        assert reasons(found) == [("contradiction", "n1", "E11.65")]

    def test_the_order_of_recording_makes_no_difference(self, rows):
        made = [
            decision(c, a, m, stage=s, note_id=n, event_id=f"{c}{a}{m}{s}{n}")
            for m, (c, a, s, n) in enumerate(
                (c, a, s, n)
                for c in ("J45.909", "R05.9")
                for a in ("accept", "reject", "defer")
                for s in ("coder", "audit")
                for n in ("n1", "n2")
            )
        ]
        notes = {"n1": TEXT, "n2": TEXT}
        first = rows(*made, notes=notes)
        random.Random(3).shuffle(made)  # noqa: S311 - any order will do
        assert rows(*made, notes=dict(reversed(notes.items()))) == first


class TestEncounters:
    NOTES = {"n1": Note("n1", TEXT, encounter_id="e1"), "n2": Note("n2", TEXT, encounter_id="e1"), "n3": Note("n3", TEXT)}  # noqa: RUF012

    def test_the_group_is_the_encounter_else_the_note(self, rows):
        found = rows(decision(), decision(note_id="n2"), decision(note_id="n3"), notes=self.NOTES)
        assert [(r.note_id, r.group) for r in found.rows] == [("n1", "e1"), ("n2", "e1"), ("n3", "n3")]

    def test_the_encounter_of_the_decision_will_do(self, rows):
        assert rows(decision(encounter_id="e9")).rows[0].group == "e9"

    def test_what_is_coded_from_another_document_is_no_negative_here(self, rows):
        found = rows(
            decision(),
            decision("R05.9", note_id="n2"),
            decision(note_id="n2", action="reject"),
            review([("n1", "R05.9"), ("n1", "I10")], note_ids=("n1", "n2")),
            notes=self.NOTES,
        )
        assert [(r.rejected, r.passed_over) for r in found.rows] == [(frozenset(), {"I10"}), (frozenset(), frozenset())]
        assert reasons(found) == [("elsewhere", "n1", "R05.9"), ("elsewhere", "n2", "J45.909")]

    def test_a_code_of_an_encounter_with_one_note_is_the_notes(self, rows):
        found = rows(decision(note_id="e7"), notes={"n1": Note("n1", TEXT, encounter_id="e7")})
        assert [(r.note_id, set(r.positives)) for r in found.rows] == [("n1", {"J45.909"})]

    def test_of_several_notes_those_that_speak_of_it(self, rows):
        found = rows(decision(note_id="e1"), notes=self.NOTES, supported=lambda note, code: note.note_id == "n2")
        assert [r.note_id for r in found.rows] == ["n2"]

    def test_of_several_notes_none_without_a_way_to_tell(self, rows):
        found = rows(decision(note_id="e1"), notes=self.NOTES)
        assert (found.rows, reasons(found)) == ((), [("note not known", "e1", "J45.909")])

    def test_codes_of_a_finished_chart_that_nobody_decided_about(self, rows):
        (row,) = rows(review(codes=["J45.909"], stage="audit")).rows
        assert (row.positives, row.weights) == ({"J45.909": ()}, {"J45.909": 2.0})

    def test_the_last_review_of_a_chart_counts(self, rows):
        found = rows(review(codes=["J45.909"], stage="audit"), review(codes=["I10"], finished=NOON + dt.timedelta(days=1)))
        assert set(found.rows[0].positives) == {"J45.909"}

    def test_sides_are_kept_for_ever_and_about_as_asked(self):
        held = [f"e{i}" for i in range(2000) if side_of(f"e{i}") == "held out"]
        assert 340 < len(held) < 460
        assert set(held) < {f"e{i}" for i in range(2000) if side_of(f"e{i}", held_out=30) == "held out"}
        assert {side_of("e1", held_out=0), side_of("e1", held_out=100)} == {"train", "held out"}
        assert held != [f"e{i}" for i in range(2000) if side_of(f"e{i}", purpose="calibration") == "held out"]

    def test_a_share_that_is_none(self):
        with pytest.raises(ConfigError, match="CS539"):
            side_of("e1", held_out=101)


class TestSupport:
    def test_billed_with_nothing_in_the_note_is_set_aside_and_listed(self, rows):
        found = rows(decision("I21.9", "add"), review([("n1", "I21.9")]), supported=lambda note, code: False)
        assert (found.rows[0].positives, found.rows[0].passed_over) == ({}, frozenset())
        assert reasons(found) == [("unsupported", "n1", "I21.9")]

    def test_billed_and_found_in_the_note_is_learned(self, rows):
        found = rows(decision("I10", "add"), supported=lambda note, code: "Hypertension" in note.text and code == "I10")
        assert set(found.rows[0].positives) == {"I10"}

    def test_evidence_needs_no_further_support(self, rows):
        assert rows(decision(evidence=ASTHMA), supported=lambda note, code: False).rows[0].positives == {"J45.909": ASTHMA}

    def test_without_a_way_to_tell_it_is_learned_and_said(self, rows):
        found = rows(decision("I21.9", "add"))
        assert (set(found.rows[0].positives), found.support_checked) == ({"I21.9"}, False)


class TestTexts:
    def test_evidence_of_the_same_text_is_kept(self, rows):
        sha = hashlib.sha256(TEXT.encode()).hexdigest()
        assert rows(decision(evidence=ASTHMA, text_sha256=sha)).rows[0].positives == {"J45.909": ASTHMA}

    def test_evidence_of_another_text_is_left_out_and_the_code_kept(self, rows):
        found = rows(decision(evidence=ASTHMA, text_sha256="0" * 64))
        assert (found.rows[0].positives, reasons(found)) == ({"J45.909": ()}, [("text changed", "n1", "J45.909")])

    def test_evidence_of_another_text_is_anchored(self, rows):
        found = rows(decision(evidence=ASTHMA, text_sha256="0" * 64), anchor=lambda d, note: ((Span(8, 20),),))
        assert (found.rows[0].positives, found.left_out) == ({"J45.909": ((Span(8, 20),),)}, ())

    def test_evidence_after_the_end_is_left_out(self, rows):
        found = rows(decision(evidence=(*ASTHMA, (Span(20, 99),))))
        assert (found.rows[0].positives, reasons(found)) == ({"J45.909": ASTHMA}, [("outside the text", "n1", "J45.909")])

    def test_a_note_that_is_not_there(self, rows):
        found = rows(decision(note_id="gone"), decision("I10", "retract", note_id="gone"))
        assert found.rows == ()
        assert ("no note", "gone", "J45.909") in reasons(found)

    def test_notes_of_a_folder(self, tmp_path):
        (tmp_path / "n1.txt").write_text(TEXT)
        assert notes_of(tmp_path)["n1"].text == TEXT

    def test_no_list_holds_text(self, rows):
        found = rows(decision(evidence=(*ASTHMA, (Span(20, 99),)), text_sha256="0" * 64), decision("R05.9", "defer"))
        assert "Asthma" not in repr(found)


def order_line(number, code, billable, title):
    return f"{number:05d} {code:<7} {billable} {title[:60]:<60} {title}\n"


@pytest.fixture(scope="session")
def older_releases(tmp_path_factory):
    """Return releases with one of 2019 that has codes deleted, split and renamed since, as an order file.

    I48.1 (persistent atrial fibrillation) was billable to September 2019 and is split into I48.11 and I48.19. Made up are J45.97,
    which has the title of J45.909, and U99.9, whose title resembles none.
    """
    folder = tmp_path_factory.mktemp("releases")
    file = folder / "icd10cm_order_2019.txt"
    codes = [
        ("I10", 1, "Essential (primary) hypertension"),
        ("I48", 0, "Atrial fibrillation and flutter"),
        ("I481", 1, "Persistent atrial fibrillation"),
        ("J459", 0, "Other and unspecified asthma"),
        ("J4590", 0, "Unspecified asthma"),
        ("J4597", 1, "Unspecified asthma, uncomplicated"),
        ("U99", 0, "Zzyx qwert"),
        ("U999", 1, "Zzyx qwert plugh"),
    ]
    file.write_text("".join(order_line(i, *row) for i, row in enumerate(codes, 1)), encoding="utf-8")
    compile_release(file, effective=dt.date(2018, 10, 1), expires=None, name=None, to=folder / "releases", replace=False)
    return Releases((shipped_folder(), folder / "releases"))


class TestReleases:
    def test_a_code_that_is_still_billable_is_kept(self, rows, older_releases):
        found = rows(decision("I10"), releases=older_releases)
        assert (set(found.rows[0].positives), found.carried) == ({"I10"}, ())

    def test_a_split_code_goes_nowhere_when_several_successors_fit(self, rows, older_releases):
        found = rows(decision("I48.1"), releases=older_releases)
        assert reasons(found) == [("not carried", "n1", "I48.1")]
        assert found.left_out[0].detail in ("split: I48.11, I48.19", "split: I48.19, I48.11")
        assert found.rows[0].positives == {}

    def test_a_split_code_goes_where_the_note_says(self, rows, older_releases):
        found = rows(decision("I48.1", evidence=ASTHMA), releases=older_releases, names=lambda note, code: code == "I48.11")
        assert found.rows[0].positives == {"I48.11": ASTHMA}
        assert [(c.old, c.new, c.relation, c.n) for c in found.carried] == [("I48.1", "I48.11", "child", 1)]

    def test_a_code_with_a_new_number_is_carried_by_its_title(self, rows, older_releases):
        found = rows(decision("J45.97"), releases=older_releases)
        assert set(found.rows[0].positives) == {"J45.909"}
        assert [(c.old, c.new, c.relation) for c in found.carried] == [("J45.97", "J45.909", "title")]

    def test_a_code_that_went_nowhere_is_listed(self, rows, older_releases):
        found = rows(decision("U99.9"), releases=older_releases)
        assert [(x.reason, x.detail) for x in found.left_out] == [("not carried", "deleted")]

    def test_a_code_that_no_release_has_is_listed(self, rows, older_releases):
        found = rows(decision("Z99.999"), releases=older_releases)
        assert [(x.reason, x.detail) for x in found.left_out] == [("not carried", "unknown")]

    def test_rejected_and_passed_over_codes_are_carried_too(self, rows, older_releases):
        found = rows(decision("I48.1", "reject"), releases=older_releases, names=lambda note, code: code == "I48.19")
        assert found.rows[0].rejected == {"I48.19"}

    def test_without_releases_codes_stay_as_they_are(self, rows):
        found = rows(decision("I48.1"))
        assert (set(found.rows[0].positives), found.release) == ({"I48.1"}, "")

    def test_a_header_that_was_never_billed_is_kept_and_said(self, rows):
        found = rows(decision("E11"), releases=Releases(shipped_folder()))
        assert set(found.rows[0].positives) == {"E11"}
        assert [(c.old, c.new, c.relation, c.n) for c in found.carried] == [("E11", "E11", "not billable", 1)]
        assert (found.counts()["carried"], found.counts()["not billable"]) == (0, 1)

    def test_a_system_without_a_release(self, rows):
        with pytest.raises(NoReleaseError, match="CS103"):
            rows(decision(), system="HCPCS", releases=Releases(shipped_folder()))


def test_every_reason_that_is_given_is_explained(rows):
    import re
    from pathlib import Path

    import codesuggest.decisions.training as module

    source = Path(module.__file__).read_text(encoding="utf-8")
    given = set(re.findall(r'(?:_leave|LeftOut)\(\s*"([^"]+)"', source))
    assert given <= set(REASONS)
