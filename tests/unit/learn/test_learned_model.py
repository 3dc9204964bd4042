"""Models learned from made-up notes in Spanish and English."""

import dataclasses
import json

import numpy as np
import pytest

from codesuggest import Note, load
from codesuggest.errors import BundleError, ConfigError, InvalidSpanError
from codesuggest.learn.examples import CodedExample, Reference
from codesuggest.learn.learned_model import LearnedModel, fit
from codesuggest.records import Span

# checked in the release: I10, E11.9, J45.909, R51.9, N39.0, M54.50
SPANISH = {
    "I10": ("hipertensión arterial", "HTA", "tensión alta"),
    "E11.9": ("diabetes tipo 2", "diabetes mellitus"),
    "J45.909": ("asma bronquial", "asmática"),
    "R51.9": ("cefalea", "dolor de cabeza"),
    "N39.0": ("infección urinaria", "infección de orina"),
    "M54.50": ("lumbalgia", "dolor lumbar"),
}
ENGLISH = {
    "I10": ("hypertension", "high blood pressure"),
    "E11.9": ("type 2 diabetes", "adult onset sugar"),
    "J45.909": ("asthma", "asthmatic"),
    "R51.9": ("headache", "head pain"),
    "N39.0": ("urinary infection", "bladder infection"),
    "M54.50": ("low back pain", "lumbago"),
}
WORDS = {
    "es": ("Paciente con {} desde hace años.", "Refiere {} esta semana.", "Niega {}.", "Acude a la consulta para revisión."),
    "en": ("Patient with {} for years.", "Reports {} this week.", "Denies {}.", "Came to the clinic for a check."),
}


def made_up(n, language="es", *, evidence=True, first=0):
    """Notes with two codes each, one in another wording denied."""
    table = SPANISH if language == "es" else ENGLISH
    codes = sorted(table)
    has, reports, denies, filler = WORDS[language]
    examples = []
    for i in range(first, first + n):
        rng = np.random.default_rng((11, i))
        a, b, c = rng.permutation(len(codes))[:3].tolist()
        form = [table[codes[k]][int(rng.integers(len(table[codes[k]])))] for k in (a, b, c)]
        text = f"{filler} {has.format(form[0])} {reports.format(form[1])} {denies.format(form[2])}"
        positives = {}
        for k, f in ((a, form[0]), (b, form[1])):
            start = text.index(f)
            positives[codes[k]] = (Reference((Span(start, start + len(f)),)),) if evidence else ()
        examples.append(CodedExample(f"n{i}", text, f"e{i}", positives))
    return examples


@pytest.fixture(scope="module")
def release():
    return load().model.release


@pytest.fixture(scope="module")
def spanish(release):
    return fit(made_up(60), release=release, language="es")


def chosen(model, text):
    return {r.code for r in model.predict(text) if r.selected}


def test_codes_are_learned_from_an_empty_lexicon(spanish):
    test = made_up(20, first=500)
    right = sum(chosen(spanish, e.text) == set(e.positives) for e in test)
    assert right >= 16


def test_denied_wordings_are_not_put_forward(spanish):
    assert "J45.909" not in chosen(spanish, "Acude a la consulta para revisión. Niega asma bronquial.")


def test_every_code_has_the_words_that_support_it(spanish):
    text = made_up(1, first=600)[0].text
    ranked = spanish.predict(text)
    assert ranked
    for r in ranked:
        assert r.references
        assert all(0 <= s.start < s.end <= len(text) for ref in r.references for s in ref.spans)


def test_the_first_place_is_the_evidence(spanish):
    text = "Paciente con hipertensión arterial desde hace años. Refiere cefalea esta semana."
    best = {r.code: text[r.references[0].hull.start : r.references[0].hull.end] for r in spanish.predict(text) if r.selected}
    assert best["I10"] == "hipertensión arterial"
    assert best["R51.9"] == "cefalea"


def test_the_order_is_by_probability_then_code(spanish):
    ranked = spanish.predict(made_up(1, first=601)[0].text)
    assert [(-r.probability, r.code) for r in ranked] == sorted((-r.probability, r.code) for r in ranked)
    assert all(0 <= r.probability <= 1 for r in ranked)


def test_the_same_notes_give_the_same_bytes(spanish, release, tmp_path):
    again = fit(made_up(60), release=release, language="es")
    spanish.save(tmp_path / "a", name="m")
    again.save(tmp_path / "b", name="m")
    assert (tmp_path / "a" / "manifest.json").read_bytes() == (tmp_path / "b" / "manifest.json").read_bytes()


def test_a_saved_model_predicts_the_same(spanish, tmp_path):
    opened = LearnedModel.open(spanish.save(tmp_path / "m"))
    for e in made_up(5, first=700):
        a, b = spanish.predict(e.text), opened.predict(e.text)
        assert [(r.code, r.probability, r.references) for r in a] == [(r.code, r.probability, r.references) for r in b]


def test_load_and_suggest_work_with_the_folder(spanish, tmp_path):
    suggester = load(spanish.save(tmp_path / "m"))
    result = suggester.suggest(Note("n", "Paciente con diabetes tipo 2 desde hace años."))
    assert [s.code for s in result.selected] == ["E11.9"]
    assert result.versions["model"] == suggester.model.sha256 != ""
    first = result.suggestions[0]
    assert first.evidence[0].excerpt == "diabetes tipo 2"
    assert sum(first.contributions.values()) == pytest.approx(first.score, abs=1e-6)


def test_the_manifest_names_the_parts_and_holds_no_words_of_notes(spanish, tmp_path):
    folder = spanish.save(tmp_path / "m")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["parts"] == ["learned"]
    for name in ("manifest.json", "card.md", "learned/learned.json"):
        text = (folder / name).read_text(encoding="utf-8").lower()
        assert "hipertens" not in text
        assert "lumbalgia" not in text


def test_a_changed_file_is_refused(spanish, tmp_path):
    folder = spanish.save(tmp_path / "m")
    (folder / "learned" / "forms.txt").write_text("changed\n")
    with pytest.raises(BundleError, match="CS302"):
        load(folder)


def test_names_and_numbers_do_not_become_forms(release):
    examples = made_up(40)
    text = "Refiere enfermedad de Zurriaga Pelayo esta semana. Historia 12/03/2019 cefalea."
    secret = CodedExample(
        "p",
        text,
        "p",
        {
            "R51.9": (Reference((Span(text.index("12/"), text.index(" cefalea")),)),),
            "I10": (Reference((Span(text.index("enfermedad"), text.index(" esta")),)),),
        },
    )
    forms = " ".join(fit([*examples, secret], release=release, language="es").knowledge.texts)
    assert "zurriag" not in forms
    assert "2019" not in forms


def test_codes_are_learned_without_any_evidence(release):
    model = fit(made_up(80, "en", evidence=False), release=release, language="en")
    test = made_up(20, "en", first=500)
    found = sum(len(chosen(model, e.text) & set(e.positives)) for e in test)
    assert found >= 28  # of 40
    assert model.facts["evidence"] == 0


def test_an_update_learns_a_new_wording(spanish):
    more = []
    for i in range(12):
        text = f"Paciente con jaqueca intensa desde hace años. Visita {chr(97 + i)}."
        start = text.index("jaqueca")
        more.append(CodedExample(f"u{i}", text, f"u{i}", {"R51.9": (Reference((Span(start, start + 15),)),)}))
    newer = spanish.update(more)
    test = "Paciente con jaqueca intensa desde hace años."
    before = {r.code: r.probability for r in spanish.predict(test)}.get("R51.9", 0.0)
    after = {r.code: r.probability for r in newer.predict(test)}["R51.9"]
    assert after > max(before, 0.3)
    assert newer.facts["notes"] == 72


def test_an_update_takes_codes_it_never_had(spanish):
    more = [
        dataclasses.replace(e, note_id=f"x{e.note_id}", positives={"Z99.X1": e.positives[next(iter(e.positives))]})
        for e in made_up(12, first=800)
    ]
    newer = spanish.update(more)
    assert "Z99.X1" in newer.codes
    old = {r.code: r.probability for r in spanish.predict(made_up(1, first=900)[0].text)}
    assert set(old) <= set(newer.codes)


def test_an_updated_model_is_saved_and_opened(spanish, tmp_path):
    newer = spanish.update(made_up(5, first=950))
    opened = LearnedModel.open(newer.save(tmp_path / "m"))
    text = made_up(1, first=960)[0].text
    assert [r.code for r in opened.predict(text)] == [r.code for r in newer.predict(text)]


def test_too_few_notes_are_refused(release):
    with pytest.raises(ConfigError, match="CS524"):
        fit(made_up(5), release=release, language="es")


def test_a_reference_has_a_range():
    with pytest.raises(InvalidSpanError, match="CS523"):
        Reference(())


def test_a_note_without_words_has_no_codes(spanish):
    assert spanish.predict("...") == ()
