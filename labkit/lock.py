"""One process steps a campaign at a time; it and the processes it started may."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from labkit.errors import BusyError, CampaignError


@contextlib.contextmanager
def stepping(folder: Path) -> Iterator[None]:
    """Hold the campaign in `folder`; the kernel of a notebook may enter while its `labkit evolve` holds it.

    Raises:
        BusyError: another process holds it; its pid is in the text.
    """
    path = folder / "lock"
    try:
        file = path.open("a+")
    except OSError as error:
        raise CampaignError(f"cannot write in {folder}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go when the holder dies, however it dies
        except BlockingIOError:
            pid = _written(path)
            if pid not in _family():
                raise BusyError(
                    f"campaign {folder} is being run by process {pid}; wait for it, or stop it and call again"
                ) from None
            yield
            return
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(folder: Path) -> int | None:
    """Return the pid of the process that steps the campaign in `folder`, None if nobody does; nothing is locked.

    It is read from the kernel's own list, which shows the processes of this container alone. Asking by taking the
    lock, for however short a time, could refuse a campaign that starts at that moment.
    """
    path = folder / "lock"
    try:
        written, inode = path.read_text(encoding="ascii", errors="replace"), path.stat().st_ino
    except FileNotFoundError:
        return None
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        # "18: FLOCK  ADVISORY  WRITE 12635 fe:00:2147349 0 EOF"; one that waits for a lock has "->" after its number
        _, kind, _, access, pid, place, *_ = line.split()
        if (kind, access, pid) == ("FLOCK", "WRITE", written) and place.rpartition(":")[2] == str(inode):
            return int(pid)
    return None


def _written(path: Path) -> int:
    text = path.read_text()
    return int(text) if text.isdigit() else 0


def _family() -> set[int]:
    """Return the pids of this process and of those that started it."""
    return {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
