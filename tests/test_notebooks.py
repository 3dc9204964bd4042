"""The notebooks run from top to bottom, and are stored small and without a trace of the machine they ran on."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
MACHINE_PATH = re.compile(r"(?:/(?:home|root|tmp|work|Users|private|opt|usr|var)/|\b[A-Z]:\\\\(?:Users|Windows|Program))")


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
# the kernel's own start-up, not ours: pyzmq and the event loop
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning")
def test_a_notebook_runs(path):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_stored_small_in_order_and_without_paths(path):
    source = path.read_text(encoding="utf-8")
    assert len(source) < 100_000
    assert MACHINE_PATH.search(source) is None
    cells = [cell for cell in nbformat.reads(source, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] in (list(range(1, len(cells) + 1)), [None] * len(cells))
    assert not any(output.output_type in ("error", "stream") and output.get("name") == "stderr" for c in cells for output in c.outputs)
