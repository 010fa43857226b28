"""The notebooks in real JupyterLab, in a real browser: every cell run, widgets moved, nothing asked of another host.

With LABKIT_PICTURES=FOLDER the pictures of what was seen are left there; the README's are made so.
"""

import os
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Lab, browser, chromium, lab_page
from programs import DEAD_ZONE, RAISES
from test_campaign import Scripted

from labkit.campaign import Campaign
from labkit.notebook import run_generation
from labkit.settings import make_settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="needs Chromium (apt-get install chromium)"),
]

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebooks and a campaign with an adoption and a failure, laid out as in the repository."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    run = folder / "runs" / "default"
    asked = {"clips": ["builtin:photo_pan", "builtin:shapes"], "frames": 5, "anchors": ["x265-medium"],
             "generations": 2, "candidates": 1, "held_out": ["none"]}  # fmt: skip
    with Campaign.start(run, make_settings(asked, "test"), Scripted(DEAD_ZONE, RAISES)) as campaign:
        for number in range(3):
            campaign.generation(number)
    for number in range(3):
        run_generation(run, number)
    return folder


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[Lab]:
    with lab_page(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(os.environ.get("LABKIT_PICTURES") or tmp_path_factory.mktemp("pictures"))
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(autouse=True)
def nothing_wrong(lab: Lab) -> Iterator[None]:
    """After each test: no error in the console, no request to another host."""
    yield
    errors, elsewhere = lab.watch.errors[:], lab.watch.elsewhere[:]
    lab.watch.errors.clear()
    lab.watch.elsewhere.clear()
    assert (errors, elsewhere) == ([], [])


OPENS = [
    "00_start_here",
    "01_frames",
    "02_rate_distortion",
    "03_lineage",
    "04_monitor",
    "audit",
    "generation",
    "report",
]


@pytest.mark.parametrize("name", [name for name in OPENS if (ROOT / "notebooks" / f"{name}.ipynb").exists()])
def test_every_notebook_runs_in_jupyterlab(lab: Lab, name: str, pictures: Path) -> None:
    lab.open(f"notebooks/{name}.ipynb")
    lab.run_all()
    lab.bare()
    lab.page.screenshot(path=pictures / f"{name}.png")
