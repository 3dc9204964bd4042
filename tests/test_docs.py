"""What the documents say is so: README blocks run, every command has help and is documented, links lead somewhere."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from codesuggest.cli import app, sample_note

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = FENCED.findall(README)


def commands():
    """Every command: its words, and the command itself."""

    def walk(command, words):
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, [*words, name])
        else:
            yield " ".join(words), command

    return dict(walk(typer.main.get_command(app), ["codesuggest"]))


COMMANDS = commands()


def test_python_blocks_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    parts = (ROOT / "docs" / "parts.md").read_text(encoding="utf-8")
    blocks = [source for language, source in [*BLOCKS, *FENCED.findall(parts)] if language == "python"]
    assert len(blocks) >= 3
    namespace = {}
    for source in blocks:
        exec(compile(source, "README.md", "exec"), namespace)  # noqa: S102 - our own README
    printed = capsys.readouterr().out
    assert "I50.23" in printed
    assert "left out: J18.9" in printed
    assert "chest pain R07.9 absent" in printed


def shell_lines():
    return [line for language, source in BLOCKS if language == "bash" for line in source.splitlines() if line.strip()]


def readme_uses():
    return [line.partition("#")[0].strip() for line in shell_lines() if line.startswith(("codesuggest ", "cat "))]


@pytest.mark.parametrize("line", readme_uses())
def test_a_command_of_the_readme_works(line, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("note.txt").write_text(sample_note().text, encoding="utf-8")
    Path("notes.jsonl").write_text('{"note_id": "a", "text": "Assessment: asthma."}\n', encoding="utf-8")
    before, _, after = line.rpartition("|")
    name, *arguments = shlex.split(after)
    assert name == "codesuggest"
    stdin = Path(shlex.split(before)[1]).read_text(encoding="utf-8") if before else None
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    assert result.stdout


def test_scripts_of_the_readme_exist():
    for line in shell_lines():
        for word in shlex.split(line, comments=True):
            if word.endswith(".py") or word == "requirements.lock":
                assert (ROOT / word).is_file(), word


def test_ci_runs_the_commands_of_the_readme():
    """`.ci/run` takes the two set-up commands from the README, so they are the lines that begin like this."""
    lines = [line for line in shell_lines() if line.startswith("python3 -m venv .venv && ")]
    assert [("suggest --sample" in line, "pytest" in line) for line in lines] == [(True, False), (False, True)]
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_has_help_and_is_documented(words):
    command = COMMANDS[words]
    assert command.help
    assert len(command.help) > 20
    assert f"`{words}`" in COMMANDS_PAGE
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{words} {parameter.name}"


def test_the_page_of_commands_is_what_the_commands_say():
    """``python docs/refresh.py`` writes it."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from refresh import commands_page
    finally:
        sys.path.pop(0)
    assert commands_page() == COMMANDS_PAGE


def test_groups_of_commands_are_in_the_readme():
    for words in COMMANDS:
        assert " ".join(words.split()[:2]) in README, words


@pytest.mark.parametrize("words", ["", *(words.removeprefix("codesuggest ") for words in COMMANDS)])
def test_help_is_printed(words, run):
    result = run(*words.split(), "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_picture_fetches_nothing():
    svg = (ROOT / "docs" / "suggest.svg").read_text(encoding="utf-8")
    assert not re.search(r"url\((?!#)|@import|<script|<image|xlink:href", svg)
    assert "I12.9" in svg or "E11.22" in svg


def test_changelog_has_unreleased():
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_lock_names_versions_and_nothing_of_a_machine():
    lines = [line for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    names = {line.split("==")[0].lower() for line in lines}
    assert {"numpy", "spacy", "scikit-learn", "pydantic", "typer", "rich", "pytest", "hypothesis"} <= names


def test_every_module_names_what_its_errors_are():
    """The ids raised by the library are in the ranges that `codesuggest.errors` gives to their package."""
    from codesuggest import errors

    rows = re.findall(r"^CS(\d{3})–(\d{3})\s+(.+)$", errors.__doc__, re.MULTILINE)
    assert rows
    for file in sorted((ROOT / "codesuggest").rglob("*.py")):
        for number in map(int, re.findall(r'"CS(\d{3})"', file.read_text(encoding="utf-8"))):
            assert any(int(a) <= number <= int(b) for a, b, _ in rows), f"{file.name}: CS{number}"


def test_python_versions_agree():
    source = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.11,<3.14"' in source
    assert "Python 3.11 to 3.13" in README
    assert (3, 11) <= sys.version_info[:2] <= (3, 13)
