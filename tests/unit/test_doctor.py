import importlib.metadata
import json

import pytest

from codesuggest import doctor
from codesuggest.codes import Releases
from codesuggest.doctor import examine

installed = any(d.metadata["Name"] == "codesuggest" for d in importlib.metadata.distributions())
needs_install = pytest.mark.skipif(not installed, reason="the package is not installed: pip install -e .")


def by_name(report):
    return {check.name: check for check in report.checks}


@needs_install
def test_a_good_installation_verifies(run):
    result = run("doctor")
    assert result.exit_code == 0
    assert "Everything verifies." in result.stdout


@needs_install
def test_json_tells_versions_releases_and_model(run):
    result = run("doctor", "--json")
    found = json.loads(result.stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert (result.exit_code, found["ok"]) == (0, True)
    for name in ("numpy", "spacy", "scikit-learn"):
        assert checks[name]["facts"]["version"] == importlib.metadata.version(name)
    release = checks["ICD-10-CM 2026-04-01"]["facts"]
    assert (release["effective"], release["codes"], len(release["sha256"])) == ("2026-04-01", 98186, 64)
    model = next(c["facts"] for c in found["checks"] if c["part"] == "model")
    assert model["terms"] > 10_000
    assert len(model["sha256"]) == 64
    assert {c["name"] for c in found["checks"] if c["part"] == "extra"} >= {"pytest", "hypothesis"}


def test_a_damaged_model_fails(run, model_copy):
    (model_copy / "ranker.json").write_text("{}")
    result = run("doctor", "--model", model_copy)
    assert result.exit_code == 4
    assert "FAILED" in result.stdout
    assert "CS302" in result.stdout
    assert "Something does not verify." in result.stdout


def test_a_missing_release_fails(tmp_path):
    report = examine(releases=Releases(tmp_path))
    assert not report.ok
    found = by_name(report)
    assert "CS361" in found["ICD-10-CM"].problem
    assert "CS304" in found["one note"].problem


def test_a_library_that_does_not_import_is_one_line(monkeypatch):
    monkeypatch.setattr(doctor, "_CORE", (("no_such_library", "no-such-library"),))
    check = by_name(examine())["no-such-library"]
    assert not check.ok
    assert check.problem.startswith("[CS360] ModuleNotFoundError")


def test_factories_that_are_not_registered_fail(monkeypatch):
    monkeypatch.setattr(doctor, "_FACTORIES", ("codesuggest_tea",))
    assert "[CS362]" in by_name(examine())["spaCy factories"].problem


def test_an_extra_that_is_not_installed_is_no_fault(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ['tea-maker>=1; extra == "kitchen"', "numpy>=2"])
    check = by_name(examine())["tea-maker"]
    assert check.ok
    assert check.facts == {"extra": "kitchen", "version": "not installed"}
