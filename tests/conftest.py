"""Fixtures of all tests, named after what they return."""

import os
import shutil
import uuid
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


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """Return the address of an empty database, of each kind in turn; PostgreSQL where CODESUGGEST_TEST_POSTGRES names one."""
    if request.param == "sqlite":
        yield str(tmp_path / "log.sqlite")
        return
    server = os.environ.get("CODESUGGEST_TEST_POSTGRES")
    if not server:
        pytest.skip("CODESUGGEST_TEST_POSTGRES holds no URL of a PostgreSQL database")
    from sqlalchemy import create_engine, make_url, text

    url = make_url(server).set(drivername="postgresql+psycopg")
    schema = f"test_{uuid.uuid4().hex}"
    admin = create_engine(url)
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield url.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    with admin.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    admin.dispose()
