import datetime as dt
import json

import pytest

from codesuggest import load
from codesuggest.decisions import DecisionLog
from codesuggest.decisions.training import side_of
from codesuggest.errors import ConfigError
from codesuggest.learn.retraining import drift_since, held_out_notes, retrain
from codesuggest.records import Decision, Span

WHEN = dt.datetime(2026, 5, 4, 9, tzinfo=dt.UTC)
# made-up shorthand that no lexicon holds, so that what is known afterwards was learned
WORDS = {"zorblitis": "J20.9", "gruffle lung": "J44.9", "sugar pox": "E11.9", "marsh ague": "B54", "thrumming heart": "I48.91"}
FILLERS = ("Seen in clinic today.", "Slept well.", "Came with a neighbour.", "Lives by the river.", "Walked here.")


def made_up(n):
    """Return texts, and decisions with evidence: one or two terms a note, one of them denied now and then."""
    texts, decisions = {}, []
    terms = list(WORDS)
    for i in range(n):
        term, other, denied = terms[i % 5], terms[(i // 5 + i) % 5], terms[(i + 3) % 5]
        present = dict.fromkeys([term, other])
        text = f"{FILLERS[i % 5]} Assessment: " + " and ".join(present) + "."
        if denied not in present:
            text += f" No {denied}."
        note_id = f"n{i:03}"
        texts[note_id] = text
        for t in present:
            start = text.index(t)
            decisions.append(
                Decision(
                    note_id,
                    WORDS[t],
                    "accept",
                    "coder",
                    "ann" if i % 2 else "ben",
                    WHEN,
                    evidence=((Span(start, start + len(t)),),),
                    encounter_id=f"e{i:03}",
                    event_id=f"{note_id}-{WORDS[t]}",
                )
            )
    return texts, decisions


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retraining")
    texts, decisions = made_up(90)
    log = DecisionLog(folder / "log.sqlite")
    log.record(*decisions)
    done = retrain(log, texts, to=folder / "candidate", n_draws=20)
    yield folder, log, texts, done
    log.close()


def test_what_was_decided_is_suggested(case):
    folder, _, _, done = case
    assert done.evaluation["micro_f1"] > 0.8
    result = load(folder / "candidate").suggest(load_note("Assessment: gruffle lung."))
    best = result.suggestions[0]
    assert (best.code, best.evidence[0].excerpt, best.selected) == ("J44.9", "gruffle lung", True)


def load_note(text):
    from codesuggest import Note

    return Note("new", text)


def test_no_encounter_is_on_both_sides(case):
    _, log, texts, done = case
    apart = {n.note.note_id for n in held_out_notes(log, texts)}
    assert apart == {i for i in texts if side_of(f"e{i[1:]}") != "train"}
    assert (done.n_held_out, done.n_learned) == (len(apart), len(texts) - len(apart))
    assert {n.note_id for n in done.evaluation.notes} == apart


def test_the_folder_holds_the_lists_and_no_text(case):
    folder, *_ = case
    names = {p.name for p in (folder / "candidate").iterdir()}
    assert {"manifest.json", "card.md", "profile.json", "left_out.jsonl", "learned"} <= names
    sentence = FILLERS[0]
    for file in (folder / "candidate").rglob("*"):
        if file.is_file():
            assert sentence.encode() not in file.read_bytes()
            assert b"neighbour" not in file.read_bytes(), file.name


def test_rejections_teach_when_not_to(tmp_path):
    texts, decisions = made_up(90)
    for i, (note_id, text) in enumerate(list(texts.items())):
        if i % 2 == 0:
            texts[note_id] = text + " Reminded of marsh ague leaflets."
            decisions.append(
                Decision(note_id, "B54", "reject", "audit", "eve", WHEN, encounter_id=f"e{note_id[1:]}", event_id=f"{note_id}-r")
            )
    with DecisionLog("sqlite://") as log:
        log.record(*decisions)
        retrain(log, texts, to=tmp_path / "m", held_out=0, n_draws=20)
    model = load(tmp_path / "m")
    probability = {
        text: next((s.probability for s in model.suggest(load_note(text)).suggestions if s.code == "B54"), 0.0)
        for text in ("Assessment: marsh ague.", "Slept well. Reminded of marsh ague leaflets.")
    }
    assert probability["Assessment: marsh ague."] > probability["Slept well. Reminded of marsh ague leaflets."] + 0.2


def test_an_update_learns_what_is_new_without_starting_over(case, tmp_path):
    folder, _, texts, _ = case
    more, new = dict(texts), []
    for i in range(12):
        note_id = f"m{i:03}"
        more[note_id] = f"{FILLERS[i % 5]} Assessment: quartan shivers."
        start = more[note_id].index("quartan")
        span = Span(start, start + len("quartan shivers"))
        new.append(
            Decision(note_id, "B52.9", "accept", "coder", "ann", WHEN, evidence=((span,),), encounter_id=f"f{i}", event_id=f"{note_id}-x")
        )
    with DecisionLog(tmp_path / "log.sqlite") as log:
        log.record(*made_up(90)[1])
        log.record(*new)
        done = retrain(log, more, to=tmp_path / "second", update=folder / "candidate", n_draws=20)
    assert done.n_learned == sum(side_of(f"f{i}") == "train" for i in range(12))
    assert done.seconds["fit"] < 30
    found = {s.code: s.probability for s in load(tmp_path / "second").suggest(load_note("Assessment: quartan shivers.")).suggestions}
    assert max(found, key=found.get) == "B52.9"
    before = {s.code for s in load(folder / "candidate").suggest(load_note("Assessment: quartan shivers.")).suggestions if s.selected}
    assert "B52.9" not in before


def test_only_a_model_from_a_log_can_be_updated(case, tmp_path):
    from codesuggest.model import default_model_folder

    _, log, texts, _ = case
    with pytest.raises(ConfigError, match="CS710"):
        retrain(log, texts, to=tmp_path / "m", update=default_model_folder())


def test_nothing_moved_on_the_notes_learned_from(case):
    folder, log, texts, _ = case
    report = drift_since(log, texts, folder / "candidate")
    assert not report.has_moved
    assert report.n_notes == len(texts)


def test_a_model_without_a_profile_is_named(case):
    from codesuggest.model import default_model_folder

    _, log, texts, _ = case
    with pytest.raises(ConfigError, match="CS708"):
        drift_since(log, texts, default_model_folder())


def test_a_folder_that_is_there_is_not_written_over(case):
    folder, log, texts, _ = case
    with pytest.raises(ConfigError, match="CS706"):
        retrain(log, texts, to=folder / "candidate")
    with pytest.raises(ConfigError, match="CS707"):
        retrain(log, texts, to=folder / "other", held_out=95)


def test_too_few_decisions(tmp_path):
    with DecisionLog("sqlite://") as log, pytest.raises(ConfigError):
        retrain(log, {}, to=tmp_path / "m")


def test_commands(case, run, tmp_path):
    folder, _, texts, _ = case
    notes = tmp_path / "notes.jsonl"
    notes.write_text(
        "".join(json.dumps({"note_id": i, "text": t, "encounter_id": f"e{i[1:]}"}) + "\n" for i, t in texts.items()),
        encoding="utf-8",
    )
    common = ("--db", folder / "log.sqlite", "--notes", notes)
    made = run("retrain", *common, "--to", tmp_path / "c", "--base", "none", "--draws", 20)
    assert made.exit_code == 0, made.output
    assert "candidate from" in made.output
    watched = run("drift", *common, "--model", tmp_path / "c")
    assert watched.exit_code == 0, watched.output
    measured = run(
        "evaluate", folder / "log.sqlite", "--notes", notes, "--model", tmp_path / "c", "--faithfulness", 0, "--draws", 10, "--json", "-"
    )
    assert measured.exit_code == 0, measured.output
    assert json.loads(measured.stdout)["evaluation"]["n_notes"] == len(texts)
    again = run("retrain", *common, "--to", tmp_path / "c", "--base", "none")
    assert again.exit_code == 2
    assert "CS706" in again.output
    spanish = run("retrain", *common, "--to", tmp_path / "d", "--language", "es")
    assert spanish.exit_code == 2
    assert "--base none" in spanish.output
