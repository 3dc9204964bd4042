import json
import subprocess
import sys

import pytest

from codesuggest import load
from codesuggest.errors import BundleError, ConfigError, DecisionConflictError
from codesuggest.learn.registry import Registry
from codesuggest.model import default_model_folder


class Verdict:
    """As much of a verdict as the registry reads."""

    class comparison:  # noqa: N801
        n_notes = 10
        figures = ()

    class bounds:  # noqa: N801
        overall = ("micro_f1",)
        max_drop = 0.01
        max_group_drop = 0.05

    def __init__(self, *regressions):
        self.regressions = regressions


@pytest.fixture
def registry(tmp_path):
    made = Registry(tmp_path / "ours")
    made.add(default_model_folder(), name="v1", who="ann")
    made.add(default_model_folder(), name="v2", who="ann", reason="retrained")
    return made


def test_a_new_version_is_not_in_use(registry):
    assert registry.current == ""
    assert [(v.name, v.is_current, v.problem) for v in registry.versions()] == [("v1", False, ""), ("v2", False, "")]
    with pytest.raises(BundleError, match="CS305"):
        load(registry.folder)


def test_promote_and_roll_back_leave_a_trail(registry):
    registry.promote("v1", who="ann")
    registry.promote("v2", who="bob", verdict=Verdict())
    assert registry.current == "v2"
    assert load(registry.folder).model.folder.name == "v2"
    registry.rollback(who="cy", reason="fewer codes accepted")
    assert registry.current == "v1"
    assert [(e.action, e.model, e.who, e.previous) for e in registry.trail()] == [
        ("added", "v1", "ann", ""),
        ("added", "v2", "ann", ""),
        ("promoted", "v1", "ann", ""),
        ("promoted", "v2", "bob", "v1"),
        ("rolled back", "v1", "cy", "v2"),
    ]


def test_a_regression_is_refused_and_the_refusal_kept(registry):
    registry.promote("v1", who="ann")
    with pytest.raises(DecisionConflictError, match=r"CS704.*F1 fell"):
        registry.promote("v2", who="bob", verdict=Verdict("F1 fell"))
    assert registry.current == "v1"
    assert registry.trail()[-1].action == "refused"


def test_an_override_needs_a_reason(registry):
    registry.promote("v1", who="ann")
    with pytest.raises(ConfigError, match="CS705"):
        registry.promote("v2", who="bob", verdict=Verdict("F1 fell"), override=True)
    entry = registry.promote("v2", who="bob", verdict=Verdict("F1 fell"), override=True, reason="the old one misses all of urology")
    assert (entry.action, registry.current, list(entry.facts["regressions"])) == ("overridden", "v2", ["F1 fell"])


def test_promotion_over_a_version_in_use_needs_a_comparison(registry):
    registry.promote("v1", who="ann")
    with pytest.raises(ConfigError, match="CS705"):
        registry.promote("v2", who="bob")


def test_a_name_is_used_once(registry):
    with pytest.raises(ConfigError, match="CS703"):
        registry.add(default_model_folder(), name="v1", who="ann")


@pytest.mark.parametrize("name", ["../out", "", "a b", ".hidden", "x" * 101])
def test_names_that_are_no_names_are_refused(registry, name):
    with pytest.raises(ConfigError, match="CS703"):
        registry.add(default_model_folder(), name=name, who="ann")
    with pytest.raises(ConfigError, match="CS701"):
        registry.path(name)


def test_nothing_to_go_back_to(registry):
    with pytest.raises(ConfigError, match="CS706"):
        registry.rollback(who="ann", reason="why not")


@pytest.mark.parametrize("change", ["edit", "cut", "swap"])
def test_a_changed_trail_is_found(registry, change):
    file = registry.folder / "trail.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    if change == "edit":
        lines[0] = lines[0].replace("ann", "eve")
    elif change == "cut":
        del lines[0]
    else:
        lines.reverse()
    file.write_text("".join(lines), encoding="utf-8")
    with pytest.raises(BundleError, match="CS702"):
        registry.trail()


def test_half_a_line_of_a_killed_command_is_passed_over_and_written_over(registry):
    file = registry.folder / "trail.jsonl"
    with file.open("a", encoding="utf-8") as stream:
        stream.write('{"action": "promo')
    assert len(registry.trail()) == 2
    registry.promote("v1", who="ann")
    assert [e.action for e in registry.trail()] == ["added", "added", "promoted"]


def test_a_damaged_version_is_named_and_not_promoted(registry):
    (registry.folder / "v2" / "ranker.json").write_text("{}", encoding="utf-8")
    assert [v.name for v in registry.versions() if v.problem] == ["v2"]
    with pytest.raises(BundleError, match="CS302"):
        registry.promote("v2", who="ann")


def test_two_processes_add_at_once(tmp_path):
    source = (
        "import sys; from codesuggest.learn.registry import Registry; from codesuggest.model import default_model_folder;"
        "Registry(sys.argv[1]).add(default_model_folder(), name=sys.argv[2], who='p')"
    )
    running = [subprocess.Popen([sys.executable, "-c", source, str(tmp_path / "r"), f"v{i}"]) for i in range(3)]
    assert [p.wait(60) for p in running] == [0, 0, 0]
    assert sorted(e.model for e in Registry(tmp_path / "r").trail()) == ["v0", "v1", "v2"]


def test_commands(registry, run):
    place = ("--registry", registry.folder)
    assert run("models", "promote", "v1", *place, "--who", "ann").exit_code == 0
    assert "* " in run("models", "list", *place).output
    assert json.loads(run("models", "list", "--json", *place).output)[0]["is_current"] is True
    refused = run("models", "promote", "v2", *place)
    assert refused.exit_code == 2
    assert "CS705" in refused.output
    assert run("models", "promote", "no-such", *place).exit_code == 2
    assert "ann" in run("models", "list", "--trail", *place).output


def test_compare_command(registry, run, tmp_path):
    file = tmp_path / "coded.jsonl"
    rows = [{"note_id": f"n{i}", "text": "Assessment: essential hypertension.", "codes": ["I10"], "coder": "x"} for i in range(4)]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    registry.promote("v1", who="ann")
    result = run("models", "compare", "v2", "--on", file, "--registry", registry.folder, "--draws", 20)
    assert result.exit_code == 0, result.output
    assert "no regression" in result.output
    promoted = run("models", "promote", "v2", "--on", file, "--registry", registry.folder, "--draws", 20, "--who", "ann")
    assert promoted.exit_code == 0, promoted.output
    assert registry.current == "v2"
    assert run("models", "rollback", "--reason", "trial", "--registry", registry.folder).exit_code == 0
