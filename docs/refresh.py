"""Make what the documents show again: the pages made from tables and commands, the picture, the outputs of notebook 01.

Run after a change of the model or of a command.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import click
import nbformat
import typer
from nbclient import NotebookClient
from rich.console import Console
from typer.cli import get_docs_for_click

from codesuggest import load
from codesuggest.cli import app, sample_note
from codesuggest.display import rich_table
from codesuggest.edits.docs import page as edits_page
from codesuggest.queries.docs import page as queries_page

ROOT = Path(__file__).resolve().parent.parent


def draw_picture(to: Path) -> None:
    """Draw what ``codesuggest suggest --sample`` prints, without fonts from elsewhere."""
    console = Console(record=True, width=118, file=io.StringIO(), force_terminal=True)
    note = sample_note()
    console.print(rich_table(load().suggest(note), title=f"{note.note_id} · {note.kind}"))
    svg = console.export_svg(title="codesuggest suggest --sample", unique_id="suggest")
    to.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8", newline="\n")


def commands_page() -> str:
    """Return the reference of the command line, as its help has it."""
    command = typer.main.get_command(app)
    with click.Context(command, info_name="codesuggest") as context:
        return get_docs_for_click(obj=command, ctx=context, name="codesuggest")


def run_notebook(path: Path) -> None:
    """Run a notebook in place and store its outputs."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)


if __name__ == "__main__":
    (ROOT / "docs" / "commands.md").write_text(commands_page(), encoding="utf-8", newline="\n")
    for name, page in (("edits", edits_page), ("queries", queries_page)):
        (ROOT / "docs" / f"{name}.md").write_text(page(), encoding="utf-8", newline="\n")
    draw_picture(ROOT / "docs" / "suggest.svg")
    run_notebook(ROOT / "notebooks" / "01_first_suggestions.ipynb")  # 02 prints a temporary folder, and is stored without outputs
