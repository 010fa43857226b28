"""Habits of the notebooks: thin, committed without outputs, parameters explained, fit for nbdime."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from labkit.notebook import run_notebook

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES, MOST_COLUMNS = 15, 100
SHOWN = {"text/plain", "text/html", "image/png"}
"""What a notebook opened untrusted still shows."""


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebooks_are_there() -> None:
    assert {"generation.ipynb", "00_start_here.ipynb"} <= {path.name for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestHabits:
    def test_valid_and_committed_without_outputs(self, path: Path) -> None:
        notebook = read(path)
        nbformat.validate(notebook)
        for cell in code_cells(notebook):
            assert cell.outputs == []
            assert cell.execution_count is None
            assert set(cell.metadata) <= {"tags"}
        assert "papermill" not in notebook.metadata

    def test_names_the_kernel_that_papermill_needs(self, path: Path) -> None:
        assert read(path).metadata.kernelspec.name == "python3"

    def test_opens_with_prose_then_parameters_each_explained(self, path: Path) -> None:
        notebook = read(path)
        assert notebook.cells[0].cell_type == "markdown"
        assert notebook.cells[0].source.startswith("# ")
        parameters, *others = code_cells(notebook)
        assert parameters.metadata.tags == ["parameters"]
        assert not [cell for cell in others if "tags" in cell.metadata]
        for line in parameters.source.splitlines():
            assert "  # " in line, f"{line!r} has no comment"
            assert isinstance(ast.parse(line).body[0], ast.Assign)

    def test_cells_are_thin(self, path: Path) -> None:
        for cell in code_cells(read(path)):
            if cell.source.startswith("%%candidate "):  # a codec, not a part of the notebook: its own tests look at it
                continue
            if cell.source.startswith("%"):
                assert cell.source == "%load_ext labkit.magic"
                continue
            assert len(cell.source.splitlines()) <= MOST_LINES
            assert max(map(len, cell.source.splitlines())) <= MOST_COLUMNS, "a longer line is cut off on the page"
            tree = ast.walk(ast.parse(cell.source))
            logic = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.While, ast.Try)
            assert not [node for node in tree if isinstance(node, logic)], "logic belongs in labkit"

    def test_prose_stands_before_what_is_shown(self, path: Path) -> None:
        kinds = [cell.cell_type for cell in read(path).cells]
        assert kinds.count("markdown") * 2 >= kinds.count("code")


def test_generation_takes_the_parameters_that_the_runner_gives() -> None:
    notebook = read(ROOT / "notebooks" / "generation.ipynb")
    names = [node.targets[0].id for node in ast.parse(code_cells(notebook)[0].source).body]  # type: ignore[attr-defined]
    assert names == ["campaign", "generation"]


def nbdime_says(ours: NotebookNode, theirs: NotebookNode, folder: Path) -> str:
    """Return what nbdime's own command prints of two notebooks under the repository's configuration."""
    paths = [folder / "ours.ipynb", folder / "theirs.ipynb"]
    for path, notebook in zip(paths, (ours, theirs), strict=True):
        nbformat.write(notebook, path)
    # a process of its own: flags of the configuration and its lists of what to ignore act on each other
    call = "import sys; sys.argv[0] = 'nbdiff'; from nbdime.nbdiffapp import main; main()"
    words = [sys.executable, "-c", call, *map(str, paths)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.slow
def test_nbdime_ignores_what_papermill_and_kernels_add(tmp_path: Path) -> None:
    path = ROOT / "notebooks" / "generation.ipynb"
    ours, theirs = read(path), read(path)
    theirs.metadata["papermill"] = {"duration": 3.1}
    theirs.cells[2].metadata["papermill"] = {"start_time": "now"}
    theirs.cells[2].metadata["execution"] = {"iopub.status.idle": "now"}
    theirs.cells[2]["id"] = "another"
    theirs.cells[1]["execution_count"] = 7
    assert nbdime_says(ours, theirs, tmp_path) == ""
    theirs.cells[2].source += "\nprint(1)"
    assert "print(1)" in nbdime_says(ours, theirs, tmp_path)


@pytest.mark.slow
def test_every_notebook_runs_from_a_fresh_kernel(tmp_path: Path, lab_home: Path) -> None:
    """The tour makes a campaign where there is none; then generations are shown, and the tour opens it again."""
    runs = tmp_path / "runs"
    tour = ROOT / "notebooks" / "00_start_here.ipynb"
    made = [run_notebook(tour, tmp_path / "first.ipynb", {"runs": str(runs)})]
    for number in (0, 1):
        parameters = {"campaign": str(runs / "tour"), "generation": number}
        made.append(run_notebook(ROOT / "notebooks" / "generation.ipynb", tmp_path / f"{number}.ipynb", parameters))
    shutil.rmtree(runs / "tour" / "bitstreams")
    made.append(run_notebook(tour, tmp_path / "again.ipynb", {"runs": str(runs)}))
    for path in made:
        for cell in code_cells(read(path)):
            for output in cell.outputs:
                assert output.output_type != "error"
                assert set(output.get("data", {})) <= SHOWN, cell.source
    assert "no pictures are kept" in json.dumps(read(made[-1]))
    assert "this very program has been tried in this campaign already" in json.dumps(read(made[-1]))
