"""The notebooks in real JupyterLab, in a real browser: every cell run, widgets moved, nothing asked of another host.

With LABKIT_PICTURES=FOLDER the pictures of what was seen are left there; the README's are made so.
"""

import os
import shutil
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from browser import Lab, Watch, chromium, lab_page
from programs import DEAD_ZONE, RAISES, SLOW
from test_campaign import Scripted
from test_cli import lab_command, wait_for_candidate
from test_monitor import answers, wait_until

from labkit.campaign import Campaign
from labkit.lock import holder
from labkit.notebook import run_generation
from labkit.settings import make_settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(chromium() is None, reason="needs Chromium (apt-get install chromium)"),
]

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebooks and a campaign with an adoption and a failure, laid out as in the repository."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    for name in ("01_frames", "02_rate_distortion", "03_lineage"):  # the tour's campaign will be newer
        named(folder / "notebooks" / f"{name}.ipynb", "default")
    run = folder / "runs" / "default"
    asked = {"clips": ["builtin:photo_pan", "builtin:shapes"], "frames": 5, "anchors": ["x265-medium"],
             "generations": 2, "candidates": 1, "held_out": ["none"],
             "rule": {"kind": "bd_rate", "min_gain_pct": 1}}  # fmt: skip
    with Campaign.start(run, make_settings(asked, "test"), Scripted(DEAD_ZONE, RAISES)) as campaign:
        for number in range(3):
            campaign.generation(number)
    for number in range(3):
        run_generation(run, number)
    return folder


def named(path: Path, campaign: str) -> None:
    """Give a notebook the name of the campaign that it is to open."""
    notebook = nbformat.read(path, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert 'campaign = ""' in first.source
    first.source = first.source.replace('campaign = ""', f'campaign = "{campaign}"')
    nbformat.write(notebook, path)


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


def answered(lab: Lab, act: str, expected: str, tries: int = 7) -> list[float]:
    """Press a key so many times; return the seconds until each was answered."""
    seconds = []
    for _ in range(tries):
        before = lab.page.locator(".lab-viewer").get_attribute("data-shown")
        started = time.monotonic()
        lab.page.keyboard.press(act)
        lab.page.wait_for_function(expected, arg=before)
        seconds.append(time.monotonic() - started)
    return seconds


MOVED = """before => {
    const viewer = document.querySelector('.lab-viewer');
    return viewer.dataset.shown !== before && viewer.dataset.shown === viewer.dataset.frame;
}"""


def test_frames_are_leafed_through_wiped_and_jumped_to(lab: Lab, pictures: Path) -> None:
    page = lab.page
    lab.open("notebooks/01_frames.ipynb")
    lab.run_all()
    page.wait_for_selector(".lab-viewer[data-shown]")
    page.locator(".lab-coder").select_option("0")  # version 0 compiles nothing: it is decoded at once
    page.wait_for_selector(".lab-viewer[data-coder='0']")
    page.wait_for_selector(".lab-panel[data-role=coder][data-state=ready]")
    assert "v0" in page.locator(".lab-panel[data-role=coder] figcaption").inner_text()
    page.locator(".lab-frame").focus()
    page.keyboard.press("Home")
    page.wait_for_selector(".lab-viewer[data-shown='0']")
    seconds = answered(lab, "ArrowRight", MOVED, tries=4) + answered(lab, "ArrowLeft", MOVED, tries=3)
    print(f"the slider answers after {1000 * statistics.median(seconds):.0f} ms (median of {len(seconds)})")
    page.locator(".lab-viewer").scroll_into_view_if_needed()
    page.screenshot(path=pictures / "frames.png")
    page.click(".lab-mode-wipe")
    box = page.locator(".lab-box").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20, steps=4)
    page.mouse.up()
    assert page.locator(".lab-wipe").input_value() == "30"
    page.click(".lab-mode-difference")
    page.wait_for_selector(".lab-viewer[data-mode='difference']")
    strip = page.locator(".lab-strip").bounding_box()
    assert strip
    page.locator(".lab-strip").click(position={"x": strip["width"] * 0.9, "y": strip["height"] / 2})
    page.wait_for_selector(".lab-viewer[data-shown='4']")
    page.locator(".lab-worst-blocks button").first.click()
    page.wait_for_selector(".lab-block")


def test_a_point_tells_its_figures_and_another_clip_is_drawn(lab: Lab, pictures: Path) -> None:
    page = lab.page
    lab.open("notebooks/02_rate_distortion.ipynb")
    lab.run_all()
    page.locator(".lab-point[data-coder='x265-medium']").first.hover(force=True)
    tip = page.locator(".lab-tip").first
    tip.wait_for()
    assert "kbps" in tip.inner_text()
    assert "bytes" in tip.inner_text()
    page.locator(".lab-rd-chart").first.scroll_into_view_if_needed()
    page.screenshot(path=pictures / "curves.png")
    page.locator(".lab-clip select").select_option("shapes")
    page.wait_for_selector(".lab-rd svg[aria-label$='on shapes']")


def test_a_candidate_leads_to_its_reasons_and_a_diff_is_opened(lab: Lab, pictures: Path) -> None:
    page = lab.page
    lab.open("notebooks/03_lineage.ipynb")
    lab.run_all()
    node = page.locator(".lab-node[data-number='2']").first
    node.locator("> summary").click()
    assert "the decoder gave up" in node.inner_text()
    page.locator(".lab-left select").select_option(index=0)
    page.locator(".lab-right select").select_option(index=1)
    page.wait_for_selector(".lab-diff table")
    page.locator(".lab-diff").first.scroll_into_view_if_needed()
    page.screenshot(path=pictures / "lineage.png")


def test_an_unknown_campaign_is_one_line(lab: Lab, folder: Path) -> None:
    shutil.copy(ROOT / "notebooks" / "03_lineage.ipynb", folder / "notebooks" / "unknown.ipynb")
    named(folder / "notebooks" / "unknown.ipynb", "nowhere")
    lab.open("notebooks/unknown.ipynb")
    with pytest.raises(AssertionError, match=r"holds no campaign 'nowhere'; there are: .*default"):
        lab.run_all()
    shown = lab.page.locator(".jp-OutputArea-output").all_inner_texts()
    assert not [text for text in shown if "Traceback" in text]


def test_a_running_campaign_is_stopped_and_resumed(lab: Lab, folder: Path, pictures: Path) -> None:
    run, script = folder / "runs" / "slow", folder / "slow.py"
    script.write_text(SLOW)
    (folder / "script").mkdir()
    script.rename(folder / "script" / "1.py")
    args = ("evolve", "--clips", "builtin:shapes", "--frames", 9, "--runs", folder / "runs", "--name", "slow",
            "--anchors", "none", "--generations", 60, "--candidates", 1, "--held-out", "none", "--no-cache",
            "--proposer", f"replay:{folder / 'script'}")  # fmt: skip
    process = subprocess.Popen(lab_command(*args), stderr=subprocess.PIPE, text=True)
    try:
        wait_for_candidate(run, process)
        lab.open("notebooks/04_monitor.ipynb")
        lab.run_all()
        page = lab.page
        page.wait_for_selector(".lab-monitor-stop:enabled")
        page.locator(".lab-monitor").first.scroll_into_view_if_needed()
        page.screenshot(path=pictures / "monitor.png")
        page.locator(".lab-monitor-stop").click()
        page.wait_for_function(SAID, arg="stopped in")
        assert process.wait(120) != 0
    finally:
        process.kill()
        process.communicate()
    page.locator(".lab-monitor-resume").click()
    page.wait_for_function(SAID, arg="resumed by")
    page.wait_for_selector(".lab-monitor-stop:enabled")
    assert holder(run) is not None
    assert (run / "resumed.log").exists()
    page.locator(".lab-monitor-stop").click()
    page.wait_for_function(SAID, arg="stopped in")
    assert holder(run) is None


SAID = "said => document.querySelector('.lab-monitor-said')?.innerText.includes(said)"


def test_the_dashboard_shows_the_campaign_and_its_report(lab: Lab, folder: Path) -> None:
    pytest.importorskip("voila")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = lab_command("dashboard", "default", "--runs", folder / "runs", "--port", str(port))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    page, watch = lab.page.context.new_page(), Watch()
    watch.look_at(page)
    try:
        wait_until(lambda: answers(port))
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector(".lab-monitor-state")
        assert "complete" in page.locator(".lab-monitor").inner_text()
        page.locator(".lab-monitor-report").click()
        page.wait_for_selector(".lab-monitor-report-page iframe")
    finally:
        page.close()
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert (watch.errors, watch.elsewhere) == ([], [])
