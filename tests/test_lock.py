"""One process at a time steps a campaign: a stranger is refused with the holder's pid, its children may enter."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labkit.errors import BusyError, CampaignError
from labkit.lock import stepping

HOLD = """
import subprocess, sys
from pathlib import Path
from labkit.lock import stepping

with stepping(Path(sys.argv[1])):
    if len(sys.argv) > 2:
        # a process that the holder starts, as papermill starts a kernel
        subprocess.run([sys.executable, "-c", sys.argv[2], sys.argv[1]], check=True)
    print("held", flush=True)
    sys.stdin.read()
"""
ENTER = """
import sys
from pathlib import Path
from labkit.lock import stepping
with stepping(Path(sys.argv[1])):
    Path(sys.argv[1], "entered").touch()
"""
START_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ENTER!r}, sys.argv[1]], check=True)"


@contextmanager
def holder(folder: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that holds the campaign until it is killed or the block ends."""
    command = [sys.executable, "-c", HOLD, str(folder), *more]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        for _ in range(2):
            with pytest.raises(BusyError) as caught, stepping(tmp_path):
                pass
            assert str(caught.value) == (
                f"campaign {tmp_path} is being run by process {first.pid}; wait for it, or stop it and call again"
            )
        assert (tmp_path / "lock").read_text() == str(first.pid), "the refused one must not write its own"


@pytest.mark.parametrize("code", [ENTER, START_A_CHILD], ids=["child", "child of a child"])
def test_a_process_that_the_holder_started_may_enter(tmp_path: Path, code: str) -> None:
    with holder(tmp_path, code) as first:
        assert (tmp_path / "entered").exists()
        assert (tmp_path / "lock").read_text() == str(first.pid)
        with pytest.raises(BusyError), stepping(tmp_path):  # the child's leaving did not give the lock away
            pass


def test_a_holder_that_was_killed_leaves_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        assert first.wait(10) == -signal.SIGKILL
    with stepping(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_process_that_a_killed_holder_left_behind_does_not_hold_the_lock(tmp_path: Path) -> None:
    sleeper = "import sys; print(sys.stdin.fileno(), flush=True); sys.stdin.read()"
    code = f"""
import subprocess, sys
from pathlib import Path
from labkit.lock import stepping
with stepping(Path(sys.argv[1])):
    child = subprocess.Popen([sys.executable, "-c", {sleeper!r}], stdin=sys.stdin, stdout=subprocess.PIPE)
    child.stdout.readline()
    print("held", flush=True)
    child.wait()
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        first.kill()
        first.wait(10)
        with stepping(tmp_path):  # the sleeper lives on until its standard input is closed
            pass


def test_the_lock_is_free_afterwards_also_after_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="inside"), stepping(tmp_path):
            raise RuntimeError("inside")
    with holder(tmp_path):
        pass


def test_a_shorter_pid_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("99999999999")
    with stepping(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_campaigns_do_not_hinder_each_other(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with holder(other), stepping(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match=r"cannot write in .*nowhere: No such file"), stepping(tmp_path / "nowhere"):
        pass
