"""Fixtures of all tests, named after what they return."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from typer.testing import CliRunner

from codesuggest import load
from codesuggest.cli import app
from codesuggest.model import default_model_folder

settings.register_profile(
    "project", deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("project")


@pytest.fixture(scope="session")
def repository():
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def suggester():
    """Suggest with the default model."""
    return load()


@pytest.fixture
def model_copy(tmp_path):
    """Return a folder with a copy of the default model."""
    folder = tmp_path / "model"
    shutil.copytree(default_model_folder(), folder)
    return folder


@pytest.fixture
def run():
    """Run the command line: ``run("suggest", "--sample").output``."""
    runner = CliRunner()

    def run(*arguments, stdin=None):
        return runner.invoke(app, [str(a) for a in arguments], input=stdin)

    return run
