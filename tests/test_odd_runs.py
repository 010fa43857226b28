"""Notebooks opened on campaigns that are not as one would wish: they show what they can and say what is missing."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import pytest
import tiny_campaign

from labkit.campaign import Campaign
from labkit.lock import stepping
from labkit.notebook import run_notebook
from labkit.settings import make_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[1]
SHOWN = ("03_lineage", "01_frames", "02_rate_distortion", "04_monitor", "05_compare_runs", "report", "audit")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, lab_home: Path) -> Path:
    return tiny_campaign.make(tmp_path_factory.mktemp("odd") / "lab")


def one_after_the_other(folder: Path, runs: Path, names: Sequence[str]) -> Path:
    """Return a notebook with the cells of all of them, told to open the campaign `tiny`."""
    cells = []
    for name in names:
        for cell in nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells:
            if cell.cell_type == "code":
                if "parameters" in cell.metadata.get("tags", []):
                    whole = f"{runs}/tiny" if name == "audit" else "tiny"
                    cell.source += f"\nruns = {str(runs)!r}\ncampaign = {whole!r}"
                    cell.metadata.tags = []
                cell.id = f"{name.replace('_', '-')}-{len(cells)}"
                cells.append(cell)
    cells.insert(0, nbformat.v4.new_code_cell("nothing = 0", metadata={"tags": ["parameters"]}))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "all.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def interrupted(run: Path) -> None:
    """A generation has begun and does not end, nothing is kept of the others."""
    with Campaign.open(run) as campaign:
        campaign.ledger.begin_generation(campaign.next_number, 1, "none")
    shutil.rmtree(run / "bitstreams")


def nothing_adopted(run: Path) -> None:
    clips = json.loads(json.dumps(Campaign.open(run).settings.clips))
    shutil.rmtree(run)
    asked = {"clips": clips, "anchors": [], "start": "", "generations": 1, "held_out": ["none"]}
    with Campaign.start(run, make_settings(asked, "test")) as campaign:
        campaign.generation(0)


def three_hundred(run: Path) -> None:
    with Campaign.open(run) as campaign:
        tiny_campaign.lengthen(campaign, 300)


@pytest.mark.parametrize("spoil", [interrupted, nothing_adopted, three_hundred])
def test_every_notebook_shows_what_it_can(made: Path, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    run = tmp_path / "runs" / "tiny"
    shutil.copytree(made, run)
    spoil(run)
    with stepping(run):  # as if it were being run
        assert_quiet(tmp_path, run, SHOWN[:-1] if spoil is three_hundred else SHOWN)  # its audit takes minutes


def test_every_notebook_shows_what_it_can_without_the_clips(tmp_path: Path) -> None:
    run = tiny_campaign.make(tmp_path / "lab")
    for clip in (tmp_path / "lab").glob("*.y4m"):
        clip.unlink()
    text = assert_quiet(tmp_path, run)
    assert "cannot be read" in text or "no such" in text.lower()


def assert_quiet(folder: Path, run: Path, names: Sequence[str] = SHOWN) -> str:
    made = run_notebook(one_after_the_other(folder, run.parent, names), folder / "out.ipynb", {})
    text = ""
    for cell in nbformat.read(made, as_version=4).cells:
        shown = json.dumps(cell.outputs)
        assert "Traceback" not in shown, (cell.id, shown[:2000])
        assert "error" not in {output.output_type for output in cell.outputs}, cell.id
        text += shown
    return text
