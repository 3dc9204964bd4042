"""What ``import codesuggest`` promises: the names, their docstrings, and a light start."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import pytest

import codesuggest

MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages(codesuggest.__path__, "codesuggest.") if not name.endswith("__main__")
)


def test_all_is_sorted_and_complete():
    assert codesuggest.__all__ == sorted(codesuggest.__all__)
    public = {n for n, v in vars(codesuggest).items() if not n.startswith("_") and not inspect.ismodule(v)}
    assert public - {"TYPE_CHECKING"} <= set(codesuggest.__all__)
    assert all(hasattr(codesuggest, n) for n in codesuggest.__all__)


@pytest.mark.parametrize("name", codesuggest.__all__)
def test_a_public_name_has_a_docstring(name):
    value = getattr(codesuggest, name)
    assert name == "__version__" or len(inspect.getdoc(value)) > 20


@pytest.mark.parametrize("name", [n for n in codesuggest.__all__ if inspect.isclass(getattr(codesuggest, n))])
def test_a_public_method_has_a_docstring(name):
    cls = getattr(codesuggest, name)
    methods = {n: m for n, m in vars(cls).items() if not n.startswith("_") and (inspect.isfunction(m) or isinstance(m, property))}
    assert [n for n, m in methods.items() if not inspect.getdoc(m)] == []


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_names_in_all_is_there(module):
    loaded = importlib.import_module(module)
    assert loaded.__doc__
    for name in getattr(loaded, "__all__", ()):
        assert hasattr(loaded, name), name


def test_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", codesuggest.__version__)


def test_records_are_frozen_and_slotted():
    note = codesuggest.Note("n1", "Asthma.")
    with pytest.raises(AttributeError):
        note.text = "x"
    assert not hasattr(note, "__dict__")


def test_a_repr_holds_no_text():
    note = codesuggest.Note("n1", "Mrs Terrazas has asthma.")
    result = codesuggest.load().suggest(note)
    assert "Terrazas" not in repr(note)
    assert "asthma" not in repr([s.evidence for s in result.suggestions])
    assert "Terrazas" not in repr(result)


def test_import_is_light_and_writes_nothing():
    source = (
        "import sys, codesuggest\n"
        "print(sorted({'spacy', 'sklearn', 'scipy', 'pydantic', 'rich', 'typer', 'joblib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", source], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
