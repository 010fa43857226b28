"""Stop and resume from outside: only the process that holds the lock is ever signalled, and it goes on where it was."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from programs import SLOW
from test_cli import Call, lab_command, wait_for_candidate
from test_cli import call as call
from test_cli import video as video
from test_lock import HOLD, holder

from labkit.campaign import Campaign
from labkit.campaign.control import LOG, Runner, resume, runner, stop
from labkit.errors import BusyError, CampaignError
from labkit.lock import stepping
from labkit.settings import make_settings

DEAF = HOLD.replace("import subprocess, sys", "import signal, subprocess, sys\nsignal.signal(2, signal.SIG_IGN)")
LIVES_ON = f"""
try:
    exec({HOLD!r})
except KeyboardInterrupt:
    sys.stdin.read()  # as a notebook's kernel, which only gives up its cell
"""


@contextmanager
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of ours that has nothing to do with any campaign."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def holding(code: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


# --- who runs it -------------------------------------------------------------------------------------------


def test_the_runner_is_the_process_that_holds_the_lock(tmp_path: Path) -> None:
    assert runner(tmp_path) is None
    with holder(tmp_path) as first:
        assert runner(tmp_path) == Runner(first.pid, psutil.Process(first.pid).create_time(), ours=True)
    first.wait(10)
    assert (tmp_path / "lock").read_text() == str(first.pid)
    assert runner(tmp_path) is None


def test_asking_who_runs_it_never_stands_in_the_way_of_a_start(tmp_path: Path) -> None:
    """Asking by a short lock of its own refused a campaign that started at that moment."""
    asked, done = [], threading.Event()

    def ask() -> None:
        while not done.is_set():
            asked.append(runner(tmp_path))

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for _ in range(300):
            with stepping(tmp_path):
                pass
    finally:
        done.set()
        asker.join()
    assert asked


# --- stop --------------------------------------------------------------------------------------------------


def test_stop_interrupts_the_holder_and_waits_for_its_end(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        done = stop(tmp_path)
        assert (done.pid, done.ended) == (first.pid, True)
        assert first.wait(10) != 0
    assert runner(tmp_path) is None


def test_stop_signals_nobody_where_nobody_holds_the_lock(tmp_path: Path) -> None:
    with bystander() as other:
        (tmp_path / "lock").write_text(str(other.pid))
        with pytest.raises(CampaignError, match=r"nobody runs campaign .*: there is nothing to stop"):
            stop(tmp_path)
        assert other.poll() is None


def test_stop_signals_nobody_where_the_lock_file_names_another_process_than_its_holder(tmp_path: Path) -> None:
    with bystander() as other, holder(tmp_path) as first:
        (tmp_path / "lock").write_text(str(other.pid))
        with pytest.raises(CampaignError, match="nobody runs"):
            stop(tmp_path)
        assert (other.poll(), first.poll()) == (None, None)


def test_stop_leaves_the_holder_of_another_campaign_alone(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "ours").mkdir()
    with holder(tmp_path / "other") as first:
        (tmp_path / "ours" / "lock").write_text(str(first.pid))
        with pytest.raises(CampaignError, match="nobody runs"):
            stop(tmp_path / "ours")
        assert first.poll() is None


def test_stop_refuses_to_interrupt_its_own_process(tmp_path: Path) -> None:
    with stepping(tmp_path), pytest.raises(CampaignError, match="by this very process: interrupt it here"):
        stop(tmp_path)


def test_a_process_that_does_not_listen_is_told_and_left(tmp_path: Path) -> None:
    with holding(DEAF, tmp_path) as deaf:
        with pytest.raises(CampaignError, match=rf"process {deaf.pid} was interrupted and still runs .* after 0 s"):
            stop(tmp_path, wait_s=0.3)
        assert deaf.poll() is None


@pytest.mark.slow
def test_a_process_that_gives_the_campaign_up_and_lives_on_is_told_apart(tmp_path: Path) -> None:
    with holding("import sys\n" + LIVES_ON, tmp_path) as kernel:
        done = stop(tmp_path)
        assert (done.pid, done.ended, kernel.poll()) == (kernel.pid, False, None)
        assert "gave the campaign up, and lives on" in str(done)


# --- resume ------------------------------------------------------------------------------------------------


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Campaign]:
    with Campaign.start(tmp_path / "run", make_settings({"clips": ["builtin:shapes"], "generations": 0}, "test")) as c:
        yield c


def test_resume_refuses_a_campaign_that_is_being_run(begun: Campaign) -> None:
    with holder(begun.folder) as first, pytest.raises(BusyError, match=f"run by process {first.pid}: there is nothing"):
        resume(begun, ["evolve"])
    assert not (begun.folder / LOG).exists()


def test_resume_refuses_a_campaign_that_is_complete(begun: Campaign) -> None:
    begun.ledger.begin_generation(0, None, "sealed")
    begun.ledger.end_generation(0, 1.0)
    with pytest.raises(CampaignError, match=r"is complete, 0 generations after the start; .* larger --generations"):
        resume(begun, ["evolve"])
    assert not (begun.folder / LOG).exists()


@pytest.mark.slow
def test_what_ends_at_once_is_told_with_its_last_line(begun: Campaign) -> None:
    with pytest.raises(CampaignError, match=r"did not go on: labkit: .* holds a campaign with other settings"):
        resume(begun, ["evolve", "--name", "run", "--runs", str(begun.folder.parent), "--proposer", "oracle"])


@pytest.mark.parametrize("command", ["stop", "resume"])
def test_the_commands_refuse_in_one_line(call: Call, begun: Campaign, command: str) -> None:
    assert call(command, "nothing", "--runs", begun.folder.parent)[0] == 2
    if command == "stop":
        code, _, err = call("stop", "run", "--runs", begun.folder.parent)
        assert (code, len(err.splitlines())) == (1, 1)
        assert "nobody runs campaign" in err


# --- a real campaign ---------------------------------------------------------------------------------------


@contextmanager
def slow_campaign(tmp_path: Path, video: Path, loops: str = "20_000_000") -> Iterator[tuple[Path, "Popen"]]:
    """Run a real campaign in the middle of its candidate, in a process of its own; whoever runs it then is ended."""
    programs = tmp_path / "script"
    programs.mkdir()
    (programs / "1.py").write_text(SLOW.replace("5_000_000", loops))
    args = ("evolve", "--clips", video, "--runs", tmp_path / "runs", "--anchors", "none", "--generations", 1,
            "--candidates", 1, "--no-cache", "--held-out", "none", "--proposer", f"replay:{programs}")  # fmt: skip
    folder = tmp_path / "runs" / "small"
    process = subprocess.Popen(lab_command(*args), stderr=subprocess.PIPE, text=True)
    try:
        wait_for_candidate(folder, process)
        yield folder, process
    finally:
        if runner(folder) is not None:
            stop(folder)
        process.communicate(timeout=60)


Popen = subprocess.Popen[str]


@pytest.mark.slow
def test_a_campaign_is_stopped_and_goes_on_exactly_where_it_was(
    tmp_path: Path, video: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow_campaign(tmp_path, video) as (folder, process):
        with Campaign.open(folder) as campaign:
            asked = campaign.ledger.settings()
        code, out, _ = call("stop", "small", "--runs", folder.parent)
        assert (code, process.wait(30)) == (0, 130)
        assert f"stopped in generation 1: process {process.pid} ended after" in out
        monkeypatch.setenv("FORCE_COLOR", "1")  # as in a notebook's kernel
        monkeypatch.chdir(folder)  # and it works elsewhere
        code, out, _ = call("resume", "small", "--runs", "..")
        found = runner(folder)
        assert found is not None
        assert code == 0
        assert f"resumed by process {found.pid}; what it prints:" in out
        assert os.getsid(found.pid) == found.pid
        assert psutil.Process().pid not in {parent.pid for parent in psutil.Process(found.pid).parents()}
        code, _, err = call("resume", "small", "--runs", folder.parent)
        assert (code, f"is being run by process {found.pid}" in err) == (1, True)
        wait_until(lambda: "isolation:" in (folder / LOG).read_text())
        assert "\x1b" not in (folder / LOG).read_text()
        assert stop(folder).pid == found.pid
        with Campaign.open(folder) as campaign:
            assert campaign.ledger.settings() == asked
            assert [entry.outcome for entry in campaign.ledger.entries()] == ["adopted", "proposed"]


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        threading.Event().wait(0.1)
    raise AssertionError("it never came true")
