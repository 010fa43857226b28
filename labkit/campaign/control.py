"""Stop and resume a campaign from outside: by its lock and by the process that holds it, and by nothing else."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from labkit.campaign.record import Record
from labkit.errors import BusyError, CampaignError
from labkit.lock import holder
from labkit.progress import read_progress
from labkit.settings import ROOT

STOP_S = 60.0
"""How long an interrupted campaign may take to end: it gives up what is in flight and keeps what is recorded."""
START_S = 60.0
"""How long a resumed campaign may take to hold its lock: the first imports on a busy machine."""
LOG, SETTINGS = "resumed.log", "resumed.toml"
"""Of resumed campaigns, in their folder: what they print, and the settings that no flag of `labkit evolve` gives."""
LEAVE_S = 15.0
"""How long a process may take to end after that; a notebook's kernel stays, it only gives up its cell."""
_POLL_S = 0.05
_OF_KERNELS = {"FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "MPLBACKEND"}

_LAUNCH = """
import subprocess, sys
with open(sys.argv[1], "ab") as log:
    process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
print(process.pid)
"""
"""A process between: who resumes a campaign is not its parent, so that it can end without it."""


@dataclass(frozen=True)
class Runner:
    """The process that holds a campaign.

    Attributes:
        since: when it started, seconds since the epoch.
        ours: whether it belongs to the user who asks.
    """

    pid: int
    since: float
    ours: bool


@dataclass(frozen=True)
class Stopped:
    """How a campaign was stopped.

    Attributes:
        generation: that was under way; None if none had begun.
        ended: whether the process is gone, too.
        wait_s: until then.
    """

    pid: int
    generation: int | None
    ended: bool
    wait_s: float

    def __str__(self) -> str:
        during = "" if self.generation is None else f" in generation {self.generation}"
        how = "ended" if self.ended else "gave the campaign up, and lives on,"
        return f"stopped{during}: process {self.pid} {how} after {self.wait_s:.1f} s; nothing recorded is lost"


@dataclass(frozen=True)
class Resumed:
    """A campaign that goes on in a process of its own session, and the file with what it prints."""

    pid: int
    log: Path

    def __str__(self) -> str:
        return f"resumed by process {self.pid}; what it prints: {self.log}"


def runner(folder: Path) -> Runner | None:
    """Return who runs the campaign in `folder`; None if nobody does (that can be seen from here). Nothing is locked."""
    pid = holder(folder)
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        return Runner(pid, process.create_time(), process.uids().real == os.getuid())
    except psutil.NoSuchProcess:
        return None


def stop(folder: Path, wait_s: float = STOP_S) -> Stopped:
    """Interrupt the process that runs the campaign in `folder`, as Ctrl-C does, and wait until it has let go.

    Raises:
        CampaignError: nobody runs it; it is another user's process, or this very one; it did not end in `wait_s`.
    """
    found = runner(folder)
    if found is None:
        raise CampaignError(f"nobody runs campaign {folder}: there is nothing to stop")
    if not found.ours:
        raise CampaignError(f"campaign {folder} is run by process {found.pid} of another user: ask them to stop it")
    if found.pid == os.getpid():
        raise CampaignError(f"campaign {folder} is run by this very process: interrupt it here")
    generation, began = _generation_of(folder), time.monotonic()
    ended = _interrupt(folder, found.pid, wait_s)
    return Stopped(found.pid, generation, ended, time.monotonic() - began)


def _generation_of(folder: Path) -> int | None:
    state = read_progress(folder)
    number = state.get("generation") if state else None
    return number if isinstance(number, int) else None


def _interrupt(folder: Path, pid: int, wait_s: float) -> bool:
    """Interrupt the process if it holds the campaign; return whether it has ended when it holds it no more."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True  # by itself, a moment ago
    try:
        # a pid may be given away at any moment, a descriptor never: once it is open, the lock is read again
        if holder(folder) == pid:
            signal.pidfd_send_signal(process, signal.SIGINT)
        deadline = time.monotonic() + wait_s
        while holder(folder) == pid:
            if time.monotonic() > deadline:
                raise CampaignError(
                    f"process {pid} was interrupted and still runs campaign {folder} after {wait_s:.0f} s; look at it"
                )
            select.select([process], [], [], _POLL_S)
        ended, _, _ = select.select([process], [], [], LEAVE_S)
        return bool(ended)
    finally:
        os.close(process)


def resume(campaign: Record, arguments: Sequence[str], settings: str = "", wait_s: float = START_S) -> Resumed:
    """Start `labkit evolve` for a campaign as a process of its own session; return once it holds the campaign.

    Args:
        arguments: of `labkit`, from "evolve" on; they name the file SETTINGS in the campaign's folder if there is one.
        settings: the text of that file; none is written for "".

    Raises:
        BusyError: somebody runs it.
        CampaignError: it is complete; or what was started ended at once, with its last line.
    """
    folder = campaign.folder.resolve()  # what is started works in another one
    if (found := runner(folder)) is not None:
        raise BusyError(f"campaign {folder} is being run by process {found.pid}: there is nothing to resume")
    if campaign.complete:
        asked = campaign.settings.generations
        raise CampaignError(
            f"campaign {folder} is complete, {asked} generations after the start; "
            f"`labkit evolve` with a larger --generations than {asked} goes on"
        )
    try:
        if settings:
            (folder / SETTINGS).write_text(settings, encoding="utf-8")
        log = _new_chapter(folder / LOG, arguments)
    except OSError as error:
        raise CampaignError(f"cannot write in {folder}: {error.strerror}") from error
    command = [sys.executable, "-m", "labkit", *arguments]
    launched = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCH, str(folder / LOG), *command],
        cwd=ROOT, env=_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    pid = int(launched.stdout)
    _wait_for_lock(campaign, pid, log, wait_s)
    return Resumed(pid, folder / LOG)


def _environment() -> dict[str, str]:
    """Return ours, without what a notebook's kernel has set so that its children print colours and moving bars."""
    return {name: value for name, value in os.environ.items() if name not in _OF_KERNELS}


def _new_chapter(path: Path, arguments: Sequence[str]) -> int:
    """Add a line to the log that says what begins; return where what follows will stand."""
    with path.open("a", encoding="utf-8") as log:
        log.write(f"--- {datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}: labkit {' '.join(arguments)}\n")
        return log.tell()


def _wait_for_lock(campaign: Record, pid: int, start: int, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while holder(campaign.folder) != pid:
        if not _alive(pid) and not campaign.complete:
            raise CampaignError(f"campaign {campaign.folder} did not go on: {_last_line(campaign.folder / LOG, start)}")
        if not _alive(pid):
            return  # there was nothing left but the report
        if time.monotonic() > deadline:
            raise CampaignError(
                f"process {pid} was started for campaign {campaign.folder} and does not hold it after {wait_s:.0f} s; "
                f"see {campaign.folder / LOG}"
            )
        time.sleep(_POLL_S)


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)  # nobody may be there to bury it
    except psutil.NoSuchProcess:
        return False


def _last_line(path: Path, start: int) -> str:
    with path.open("rb") as log:
        log.seek(start)
        lines = log.read().decode("utf-8", "replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), f"it printed nothing; see {path}")
