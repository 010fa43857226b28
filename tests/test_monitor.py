"""The monitor: shows what there is, writes nothing, holds nobody up, and its buttons do what they say."""

import hashlib
import re
import shutil
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from programs import DEAD_ZONE
from test_cli import lab_command
from test_cli import video as video
from test_control import slow_campaign, wait_until
from test_lock import holder
from test_notebooks import NOTEBOOKS, SHOWN
from test_view import SCRIPT
from test_view import recorded as recorded

from labkit import view
from labkit.adopt import Decision, Verdict
from labkit.campaign import Campaign
from labkit.candidate import Candidate, Evaluation, Failure, FailureKind, Stage
from labkit.cli import main
from labkit.notebook import run_notebook
from labkit.propose.proposer import Proposal
from labkit.settings import make_settings
from labkit.view.books import ADOPTED, ALL_FAILED, NONE_ADOPTED, OPEN, read_books
from labkit.view.live import run_campaign
from labkit.view.panel import Panel, open_panel
from labkit.view.presence import attended

TINY: dict[str, Any] = {"clips": ["builtin:photo_pan"], "frames": 3, "anchors": [], "held_out": ["none"],
                        "generations": 1, "candidates": 1}  # fmt: skip


@pytest.fixture
def new(tmp_path: Path) -> Any:
    """A campaign of which nothing has run."""
    with Campaign.start(tmp_path / "runs" / "new", make_settings(TINY | {"generations": 300}, "test")) as campaign:
        yield campaign


def html_of(campaign: Campaign) -> str:
    return str(view.show_monitor(campaign)._repr_html_())


def contents(folder: Path) -> dict[str, str]:
    """Return a hash of each file; -shm is SQLite's shared memory, in which a reader marks what it reads."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")]
    return {str(path): f"{path.stat().st_mtime_ns} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files}


# --- the picture -------------------------------------------------------------------------------------------


def test_the_picture_tells_verdicts_alerts_money_and_the_goal_and_escapes_them(recorded: Path) -> None:
    with Campaign.open(recorded) as campaign:
        html = html_of(campaign)
    assert "complete" in html
    assert "nobody runs it" in html
    assert "Alerts: " in html
    assert "look here &lt;script&gt;" in html
    assert SCRIPT not in html
    assert "USD spent; no budget was set" in html
    assert "Goal: 1 Mbps at 1920x1080" in html
    assert "data:image/png;base64," in html
    assert not [tag for tag in ("<style", "<svg", "<script", "<progress") if tag in html]


def test_of_a_campaign_of_which_nothing_has_run_it_says_what_is_missing(new: Campaign) -> None:
    html = html_of(new)
    for line in ("nobody runs it", "0 of 300 generations are complete; the start is not measured yet",
                 "No generation has told its progress yet.", "There is no champion yet", "There is no verdict yet.",
                 "No generation has begun yet.", "Alerts: none"):  # fmt: skip
        assert line in html


def failed(hash_: str) -> Evaluation:
    failure = Failure(stage=Stage.DECODE, kind=FailureKind.RAISED, detail=f"no {SCRIPT}")
    return Evaluation(hash_, "sealed", (), failure, 1.0, 1.0, False, "")


def fail_generation(campaign: Campaign, number: int, end: bool = True) -> None:
    """Record a generation of one candidate that failed."""
    candidate = Candidate(f"x = {number}\n", "a test", f"try {number}")
    campaign.ledger.begin_generation(number, None, "sealed")
    entry = campaign.ledger.record_proposal(number, 0, Proposal(candidate, cost_usd=0.01), "a test")
    campaign.ledger.record_evaluation(entry, failed(candidate.hash))
    verdict = Verdict(Decision.REJECTED, (f"it failed {number}",), None, ())
    campaign.ledger.record_verdicts({entry: verdict}, {}, campaign.settings.rule)
    if end:
        campaign.ledger.end_generation(number, 2.0)


def test_three_hundred_generations_without_an_adoption_fit_on_a_page(new: Campaign) -> None:
    for number in range(301):
        fail_generation(new, number, end=number < 300)
    books = read_books(new)
    assert [turn.kind for turn in books.turns] == [ALL_FAILED] * 300 + [OPEN]
    assert (books.champion, books.done, round(books.spent_usd, 2)) == (None, 300, 3.01)
    html = html_of(new)
    assert "299 of 300 generations are complete" in html
    assert "it failed 300" in html
    assert "293 earlier ones: see the chart" in html
    assert len(html) < 120_000


def test_a_budget_is_shown_with_what_is_left(tmp_path: Path) -> None:
    with Campaign.start(tmp_path / "run", make_settings(TINY | {"budget_usd": 2.0}, "test")) as campaign:
        fail_generation(campaign, 0)
        assert "0.0100 of 2.00 USD spent, 1.9900 left" in html_of(campaign)


def test_clips_and_pictures_that_are_gone_do_not_matter(recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded, tmp_path / "tiny", symlinks=True)
    shutil.rmtree(tmp_path / "tiny" / "bitstreams")
    with Campaign.open(tmp_path / "tiny") as campaign:
        assert "Last verdicts" in html_of(campaign)
        assert [turn.kind for turn in read_books(campaign).turns][:2] == [ADOPTED, ADOPTED]


def test_progress_that_is_none_is_passed_over(new: Campaign) -> None:
    for text in ("", "{", "[]", '{"generation": 1}'):
        (new.folder / "progress.json").write_text(text)
        assert "No generation has told its progress yet." in html_of(new)


def test_who_runs_it_is_named_and_what_an_earlier_process_left_is_not_taken_for_news(recorded: Path) -> None:
    with holder(recorded) as first, Campaign.open(recorded) as campaign:
        assert f"process {first.pid}, since" in html_of(campaign)
        assert "running" in html_of(campaign)


def test_the_timeline_has_a_bar_for_each_generation(recorded: Path) -> None:
    with Campaign.open(recorded) as campaign:
        (axes,) = view.plot_timeline(campaign).axes
        assert len(axes.patches) == len(read_books(campaign).turns) == 3
        assert "of work" in axes.get_xlabel()
        assert NONE_ADOPTED not in {turn.kind for turn in read_books(campaign).turns[:1]}


# --- the widget --------------------------------------------------------------------------------------------


def test_nobody_sits_before_a_test() -> None:
    assert not attended()


def test_a_panel_shows_news_ends_when_closed_and_there_is_one_of_each_campaign(new: Campaign) -> None:
    first = open_panel(new)
    assert "There is no verdict yet." in first._ledger.value
    assert (first._stop.disabled, first._resume.disabled) == (True, False)
    fail_generation(new, 0)
    wait_until(lambda: "it failed 0" in first._ledger.value)
    second = open_panel(new)
    assert first._ended.is_set()
    assert "it failed 0" in second._ledger.value
    second.close()
    assert second._ended.is_set()


def test_where_no_file_changes_nothing_is_read_again_or_sent(new: Campaign) -> None:
    panel = open_panel(new)
    sent: list[Any] = []
    for part in (panel._head, panel._jobs, panel._ledger, panel._timeline):
        part.observe(sent.append, "value")
    books = panel._books
    for _ in range(3):
        panel.refresh()
    assert (sent, panel._books is books) == ([], True)
    panel.close()


def said(panel: Panel) -> str:
    return str(panel._said.value)


@pytest.mark.slow
def test_the_buttons_stop_and_resume_a_campaign_that_runs_elsewhere_and_following_it_writes_nothing(
    tmp_path: Path, video: Path
) -> None:
    with slow_campaign(tmp_path, video) as (folder, process), Campaign.open(folder) as campaign:
        panel = open_panel(campaign)
        assert f"process {process.pid}" in panel._head.value
        wait_until(lambda: "candidate 1" in panel._jobs.value)
        frozen = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in frozen:
            one.send_signal(signal.SIGSTOP)
        before = contents(folder)
        for _ in range(3):
            panel._seen, panel._books = (), None
            panel.refresh()
            html_of(campaign)
        assert contents(folder) == before
        for one in frozen:
            one.send_signal(signal.SIGCONT)
        panel._stop.click()
        wait_until(lambda: "stopped in generation 1" in said(panel))
        assert process.wait(30) == 130
        assert (panel._stop.disabled, panel._resume.disabled) == (True, False)
        panel._resume.click()
        wait_until(lambda: "resumed by process" in said(panel))
        wait_until(lambda: not panel._stop.disabled)
        panel._stop.click()
        wait_until(lambda: "stopped in generation 1" in said(panel))
        panel._report.click()
        wait_until(lambda: "<iframe sandbox" in panel._page.value)
        panel.close()


# --- in a cell ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_campaign_run_in_a_cell_tells_each_job_and_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Campaign.start(tmp_path / "run", make_settings(TINY | {"generations": 0}, "test")) as campaign:
        run_campaign(campaign)
        out = capsys.readouterr().out
        assert "generation 0, candidate 0: measured" in out
        assert "generation 0, candidate 0: adopted, x265 –: version 0" in out
        assert out.endswith("\nrun is complete\n")
        run_campaign(campaign)
        assert capsys.readouterr().out == "run is complete: nothing is left to run\n"


def test_a_campaign_that_another_process_runs_is_one_line(new: Campaign, capsys: pytest.CaptureFixture[str]) -> None:
    with holder(new.folder) as first:
        run_campaign(new)
    out = capsys.readouterr().out
    assert out.startswith("labkit: ")
    assert f"is being run by process {first.pid}" in out
    assert len(out.splitlines()) == 1


@pytest.mark.slow
def test_the_monitors_notebook_shows_a_picture_where_nobody_sits(recorded: Path, tmp_path: Path) -> None:
    (notebook,) = [path for path in NOTEBOOKS if path.stem == "04_monitor"]
    made = run_notebook(notebook, tmp_path / "out.ipynb", {"runs": str(recorded.parent), "campaign": "tiny"})
    cells = [cell for cell in nbformat.read(made, as_version=4).cells if cell.cell_type == "code"]
    assert "nobody runs it" in cells[-1].outputs[-1].data["text/html"]
    assert {name for cell in cells for output in cell.outputs for name in output.get("data", {})} <= SHOWN


# --- for people without JupyterLab -------------------------------------------------------------------------


def test_a_dashboard_of_no_campaign_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("voila")
    with pytest.raises(SystemExit) as left:
        main(["dashboard", "nothing", "--runs", str(tmp_path)])
    assert left.value.code == 2
    assert "nothing holds no campaign" in capsys.readouterr().err


@pytest.mark.slow
def test_the_dashboard_serves_the_widget_and_names_no_other_host(recorded: Path) -> None:
    pytest.importorskip("voila")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = lab_command("dashboard", "tiny", "--runs", recorded.parent, "--port", port)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == f"the monitor: http://127.0.0.1:{port}/ (Ctrl-C ends it)\n"
        wait_until(lambda: answers(port))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=120) as page:
            html = page.read().decode()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert "application/vnd.jupyter.widget-view+json" in html
    assert re.findall(r"""(?:src|href)=["'](?:https?:)?//[^"']*""", html) == []


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_the_tours_candidate_is_version_0_with_one_change() -> None:
    """What one edits there must do what the text beside it says, also after version 0 has changed."""
    (notebook,) = [path for path in NOTEBOOKS if path.stem == "00_start_here"]
    cells = nbformat.read(notebook, as_version=4).cells
    (cell,) = [cell for cell in cells if cell.source.startswith("%%candidate ")]
    line, _, source = cell.source.partition("\n")
    assert line.startswith('%%candidate "{runs}/tour" ')
    ours, theirs = ({}, {})  # type: dict[str, Any], dict[str, Any]
    exec(source, ours)
    exec(DEAD_ZONE, theirs)
    from labkit.footage.synthetic import synthetic_clip

    clip = synthetic_clip("photo_pan", 96, 64, 1)
    config = {"qp": 30, "width": 96, "height": 64}
    coded = ours["compress_video_frame"](clip.frame(0), 0, config)
    assert coded == theirs["compress_video_frame"](clip.frame(0), 0, config)
    for a, b in zip(*(one["decompress_video_frame"](coded, 0, config) for one in (ours, theirs)), strict=True):
        assert (a == b).all()
