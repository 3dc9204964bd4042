"""The user's own files on the command line: what they are valid for, and what is said when they do not say it."""

import datetime as dt
import json

import pytest
import typer
from examples import DAY, tables
from typer.testing import CliRunner

from codesuggest.edits import check, claim_from_text
from codesuggest.edits.commands import edits_app
from codesuggest.edits.loading import compile_ncci, facts_of_file, read_given
from codesuggest.errors import ConfigError, InputFormatError
from codesuggest.records import Evidence, Result, Span, Suggestion, Suppressed

PTP = "preamble\nG0101\tG0102\t\t20200101\t*\t1\tMisuse\nG0104\tG0105\t*\t19960101\t*\t0\tMore extensive procedure\n"
FILES = {
    "ccipra-v321r0-f1.txt": PTP,
    "pairs.txt": PTP,
    "MCR_MUE_PractitionerServices_Eff_04-01-2026.csv": "code,value\nG0108,6,1 Line Edit,Nature\n",
    "AOC_V2026Q2-MCR.txt": "Add-On Code\tPrimary\tEffective\tDeletion\tType\nG0499\tG0101\t20200101\t\t1\n",
    "mce_v43.csv": "icd_code,icd_conflict_rule\nI10,Perinatal/Newborn (Age 0 Only)\n",
    "poa_exempt_fy2026.txt": "I10\nZ00.00\n",
    "cc_v43.csv": "icd_code,cc_mcc,pdx_group\nN17.9,CC,0001\n",
    "excluded.csv": "pdx_group,pdx_icd\n0001,N17.0\n",
    "notes.txt": "nothing of the kind\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("official")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "image_v43.csv").write_bytes(b"\xff\xfe\x00\x81\n" * 4)
    return folder


@pytest.fixture
def run():
    app = typer.Typer()
    app.add_typer(edits_app, name="edits")
    app.command("other")(lambda: None)
    return lambda *given: CliRunner().invoke(app, ["edits", *map(str, given)])


@pytest.mark.parametrize(
    ("name", "words", "version", "first", "last", "kind"),
    [
        ("ccipra-v321r0-f1.txt", "", "2026Q2", dt.date(2026, 4, 1), dt.date(2026, 6, 30), "practitioner"),
        ("ccipra-v321r0-f1.txt", "@hospital,2025Q4", "2025Q4", dt.date(2025, 10, 1), dt.date(2025, 12, 31), "hospital"),
        (
            "MCR_MUE_PractitionerServices_Eff_04-01-2026.csv",
            "",
            "2026Q2",
            dt.date(2026, 4, 1),
            dt.date(2026, 6, 30),
            "practitioner",
        ),
        ("AOC_V2026Q2-MCR.txt", "", "2026Q2", dt.date(2026, 4, 1), dt.date(2026, 6, 30), ""),
        ("mce_v43.csv", "", "43", dt.date(2025, 10, 1), dt.date(2026, 9, 30), ""),
        ("mce_v43.csv", "@v41.1", "41.1", dt.date(2024, 4, 1), dt.date(2024, 9, 30), ""),
        ("poa_exempt_fy2026.txt", "", "FY2026", dt.date(2025, 10, 1), dt.date(2026, 9, 30), ""),
        ("pairs.txt", "@2026-04-01..2026-05-31", "2026-04-01..2026-05-31", dt.date(2026, 4, 1), dt.date(2026, 5, 31), ""),
        ("pairs.txt", "@2026-04-01..", "2026-04-01..", dt.date(2026, 4, 1), None, ""),
    ],
)
def test_a_file_says_what_it_is_valid_for(folder, name, words, version, first, last, kind):
    facts = facts_of_file(f"{folder / name}{words}")
    assert (facts.version, facts.first, facts.last, facts.kind) == (version, first, last, kind)
    assert facts.path == folder / name


def given(folder, **files):
    return read_given(**{k: [folder / f for f in v] if isinstance(v, list) else folder / v for k, v in files.items()})


@pytest.mark.parametrize(
    ("files", "error", "error_id"),
    [
        ({"mce": ["none.csv"]}, ConfigError, "CS424"),
        ({"mce": ["mce_v43.csv@yesterday"]}, ConfigError, "CS424"),
        ({"mce": ["mce_v43.csv@2026-13-01..2026-14-01"]}, ConfigError, "CS424"),
        ({"mce": ["notes.txt"]}, ConfigError, "CS425"),
        ({"mue": ["notes.txt@2026Q2"]}, ConfigError, "CS425"),
        ({"ncci_ptp": ["pairs.txt@2026Q2"]}, ConfigError, "CS425"),
        ({"mce": ["image_v43.csv"]}, InputFormatError, "CS426"),
        ({"cc": "cc_v43.csv"}, ConfigError, "CS428"),
        ({"cc_exclusions": "excluded.csv"}, ConfigError, "CS428"),
        ({"mce": ["notes.txt@v43"]}, InputFormatError, "CS414"),
        ({"poa": ["notes.txt@FY2026"]}, InputFormatError, "CS415"),
        ({"cc": "notes.txt@v43", "cc_exclusions": "excluded.csv"}, InputFormatError, "CS416"),
        ({"ncci_ptp": ["notes.txt@hospital,2026Q2"]}, InputFormatError, "CS422"),
        ({"mue": ["notes.txt@hospital,2026Q2"]}, InputFormatError, "CS422"),
        ({"add_on": ["notes.txt@2026Q2"]}, InputFormatError, "CS422"),
        ({"modifiers": ["notes.txt"]}, InputFormatError, "CS119"),
        ({"policies": "none"}, ConfigError, "CS424"),
    ],
)
def test_a_file_that_will_not_do_is_refused_by_name(folder, files, error, error_id):
    with pytest.raises(error) as caught:
        given(folder, **files)
    assert caught.value.error_id == error_id
    assert str(folder) not in str(caught.value)


def test_tables_handed_in_are_used_on_their_days_alone(folder):
    ours = given(
        folder,
        mce=["mce_v43.csv"],
        poa=["poa_exempt_fy2026.txt"],
        cc="cc_v43.csv",
        cc_exclusions="excluded.csv",
        ncci_ptp=["ccipra-v321r0-f1.txt"],
        mue=["MCR_MUE_PractitionerServices_Eff_04-01-2026.csv"],
        add_on=["AOC_V2026Q2-MCR.txt"],
    ).onto(tables())
    claim = claim_from_text("+G0104 +G0105 +G0108*7 +G0499 setting=professional")
    assert [f.rule_id for f in check(claim, on=DAY, tables=ours)] == ["NCCI-01", "NCCI-10", "NCCI-20"]
    assert check(claim, on=dt.date(2026, 7, 1), tables=ours) == ()
    stay = claim_from_text("I10/Y setting=inpatient age_years=50")
    assert [f.rule_id for f in check(stay, on=DAY, tables=ours)] == ["MCE-04", "POA-02"]
    missing = [p for p in ours.skipped(DAY) if "ICD-10-PCS" not in p]
    assert missing == ["Medicare Code Editor: no list of questionable, unspecified"]
    assert "NCCI pairs: no file for the date" in ours.skipped(dt.date(2026, 7, 1))
    assert not [p for p in ours.skipped(DAY, "professional") if p.startswith("NCCI")]
    assert [p for p in ours.skipped(DAY, "outpatient") if p.startswith("NCCI")] == [
        "NCCI pairs: no file for the date and setting",
        "NCCI units: no file for the date and setting",
    ]


def test_compiled_pairs_open_again(folder, tmp_path):
    made = compile_ncci([folder / "ccipra-v321r0-f1.txt", f"{folder / 'pairs.txt'}@practitioner,2026Q2"], tmp_path / "ptp")
    assert len(read_given(ncci_ptp=[made]).ptp[0]) == 4
    with pytest.raises(ConfigError, match="CS427"):
        compile_ncci([folder / "ccipra-v321r0-f1.txt", f"{folder / 'pairs.txt'}@hospital,2026Q2"], tmp_path / "x")


@pytest.fixture
def claims(tmp_path):
    file = tmp_path / "claims.json"
    row = {"claim_id": "a", "codes": ["I10"], "procedures": ["G0104", "G0105"], "setting": "professional"}
    file.write_text(json.dumps({**row, "service_date": "2026-05-04"}))
    return file


def test_the_command_takes_every_table(run, folder, claims, tmp_path):
    done = run("compile-ncci", folder / "ccipra-v321r0-f1.txt", "--to", tmp_path / "ptp")
    assert (done.exit_code, done.output) == (0, "<PtpTable practitioner 2026Q2: 2 pairs>\n")
    done = run(
        *(claims, "--ncci-ptp", tmp_path / "ptp", "--mue", folder / "MCR_MUE_PractitionerServices_Eff_04-01-2026.csv"),
        *("--addon", folder / "AOC_V2026Q2-MCR.txt", "--mce", folder / "mce_v43.csv", "--poa", folder / "poa_exempt_fy2026.txt"),
        *("--cc", folder / "cc_v43.csv", "--cc-exclusions", folder / "excluded.csv", "--information"),
    )
    assert done.exit_code == 0, done.output
    assert "NCCI-01" in done.output
    assert "not run: NCCI" not in done.output
    assert "not run: CC" not in done.output


def test_the_command_says_what_did_not_run_for_the_day_of_a_claim(run, folder, claims):
    claims.write_text(claims.read_text() + "\n" + claims.read_text().replace("2026-05-04", "2026-07-01"))
    done = run(claims, "--addon", folder / "AOC_V2026Q2-MCR.txt")
    assert "not run: NCCI add-on codes: no file for the date and setting (1 of 2 claims)" in done.output
    assert "not run: NCCI pairs: no file\n" in done.output


def test_the_command_says_what_is_wrong_with_a_file(run, folder, claims):
    done = run(claims, "--mue", folder / "notes.txt")
    assert done.exit_code == 2
    assert "CS425" in done.output
    assert run().exit_code == 2
    assert "--ncci-ptp" in run("--help").output


class FakeSuggester:
    """Reads "E11.9" out of any note, and that I10 is denied."""

    def suggest(self, note):
        words = Evidence(Span(0, 8), note.text[:8])
        given = Suggestion(1, "E11.9", "ICD-10-CM", tables().release.title("E11.9"), 0.9, True, True, (words,))
        return Result(note.note_id, note.text, "", (given,), (Suppressed("I10", "", "absent", "", (words,)),))


def test_the_command_compares_with_a_note(run, claims, tmp_path, monkeypatch):
    monkeypatch.setattr("codesuggest.suggester.load", lambda model: FakeSuggester())
    note = tmp_path / "a.txt"
    note.write_text("Diabetes. No hypertension.")
    rows = json.loads(run(claims, "--note", note, "--json").output.splitlines()[0])
    found = {f["rule_id"]: f["codes"] for f in rows["findings"]}
    assert found == {"MIS-01": ["E11.9"], "MIS-03": ["I10"]}
    many = tmp_path / "notes.jsonl"
    many.write_text(json.dumps({"note_id": "b", "text": "Diabetes. No hypertension."}) + "\n")
    assert "no note has this id" in run(claims, "--note", many).output
    many.write_text(json.dumps({"note_id": "a", "text": "Diabetes. No hypertension."}) + "\n")
    assert "MIS-03" in run(claims, "--note", many).output
    claims.write_text(claims.read_text() + "\n" + claims.read_text())
    assert "CS429" in run(claims, "--note", note).output
