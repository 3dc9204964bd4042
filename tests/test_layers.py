"""Imports point down, never sideways among the workers, and heavy libraries stay in their rooms. Read from the source, not run."""

import ast
from pathlib import Path

import pytest

import codesuggest

PACKAGE = Path(codesuggest.__file__).parent

# Lowest first. A module belongs to the longest name that it begins with.
LAYERS = (
    {"errors", "records"},  # vocabulary
    {"codes", "notes", "config"},  # reference
    {"extract", "rank", "edits", "queries", "decisions"},  # workers
    {"model", "suggester", "querying", "query_log", "batch", "learn", "audit", "html_page"},  # composition
    {"cli", "__main__", "display", "doctor", "schema", "desk", "claims", "terminal", "learn.model_commands"},  # surfaces; and every `commands` module
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names} | {"commands": len(LAYERS) - 1}
WORKERS = LAYERS[2]

# Imports against the rule: (importing module, imported module) -> why.
ALLOWED = {
    ("records", "display"): "a notebook asks a Result to show itself; display is imported when it is asked, not before",
    ("batch.tables", "schema"): "a table of results has the columns of the published schema",
    ("extract.pipeline", "suggester"): "the spaCy factories open a model by its name when a pipeline is made, not before",
}
# What ranking may take from extraction: its plain values and the words as they are compared, never its steps.
RANK_FROM_EXTRACT = {
    "extract.convert": "Extraction: the plain values that leave extraction",
    "extract.lexicon": "how a term is cut into words, so that titles and lexicon agree",
    "extract.tokens": "normal_form: how words are compared, so that titles and notes agree",
}
# Where a heavy library may be imported at all.
ROOMS = {
    "spacy": {"extract", "display", "doctor"},
    "sklearn": {"rank.estimator", "learn", "doctor"},
    "scipy": {"rank.estimator", "learn", "doctor"},
    "pydantic": {"config", "schema", "desk", "claims", "doctor"},
    "sqlalchemy": {"decisions", "desk", "doctor"},
    "jinja2": {"queries", "desk"},
    "fastapi": {"desk"},
    "typer": {"cli", "commands", "terminal", "learn.build", "learn.model_commands"},
    "rich": {"cli", "commands", "terminal", "learn.model_commands", "display", "doctor", "batch.progress"},
}
# Never: they run code on loading, or reach the network.
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "urllib.request", "http.client", "requests", "socket"}


def modules():
    return {
        ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): file
        for file in sorted(PACKAGE.rglob("*.py"))
        if file != PACKAGE / "__init__.py"
    }


def imports(file):
    """Every module a file imports, wherever in the file, and whether only for the type checker."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in for_types
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: relative import"
            yield node.module, id(node) in for_types
            for alias in node.names:
                yield f"{node.module}.{alias.name}", id(node) in for_types


def owner(name, groups):
    """The longest name of `groups` that a module begins with; `commands` for the commands of any part."""
    if name.endswith(".commands") and "commands" in groups:
        return "commands"
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        if ".".join(parts[:n]) in groups:
            return ".".join(parts[:n])
    return None


MODULES = modules()


def own_imports(name):
    """The modules of the package that a module imports."""
    for imported, _ in imports(MODULES[name]):
        if imported.startswith("codesuggest."):
            rest = imported.removeprefix("codesuggest.")
            if rest in MODULES or owner(rest, MODULES) == rest:
                yield rest


def test_every_module_has_a_layer():
    assert [name for name in MODULES if owner(name, LEVEL) is None] == []


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name):
    level = LEVEL[owner(name, LEVEL)]
    for imported in own_imports(name):
        if (name, imported) in ALLOWED:
            continue
        assert LEVEL[owner(imported, LEVEL)] <= level, f"{name} imports {imported}, which lies above it"


@pytest.mark.parametrize("name", [name for name in MODULES if owner(name, LEVEL) in WORKERS])
def test_no_worker_imports_another(name):
    own = owner(name, LEVEL)
    for imported in own_imports(name):
        other = owner(imported, LEVEL)
        if other not in WORKERS or other == own:
            continue
        assert own == "rank", f"{name} imports {imported}"
        assert imported in RANK_FROM_EXTRACT, f"{name} imports {imported}"


@pytest.mark.parametrize("name", MODULES)
def test_heavy_libraries_stay_in_their_rooms(name):
    for imported, for_types in imports(MODULES[name]):
        library = imported.split(".")[0]
        if library in ROOMS and not for_types:
            assert owner(name, ROOMS[library]) is not None, f"{name} imports {imported}"


@pytest.mark.parametrize("name", MODULES)
def test_nothing_that_runs_code_on_loading_or_reaches_the_network(name):
    for imported, _ in imports(MODULES[name]):
        assert imported not in FORBIDDEN, f"{name} imports {imported}"
        assert imported != "joblib.load"


def test_vocabulary_is_standard_library_only():
    import sys

    for name in ("errors", "records"):
        for imported, for_types in imports(MODULES[name]):
            if imported.startswith("codesuggest") or for_types:
                continue
            assert imported.split(".")[0] in sys.stdlib_module_names, f"{name} imports {imported}"


def test_every_exception_is_still_needed():
    used = {(name, imported) for name in MODULES for imported in own_imports(name)}
    assert set(ALLOWED) <= used
    from_extract = {imported for name, imported in used if name.startswith("rank.") and imported.startswith("extract.")}
    assert set(RANK_FROM_EXTRACT) == from_extract
