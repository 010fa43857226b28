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
            holder = _holder(path)
            if holder not in _family():
                raise BusyError(
                    f"campaign {folder} is being run by process {holder}; wait for it, or stop it and call again"
                ) from None
            yield
            return
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_held(folder: Path) -> bool:
    """Return whether a process is stepping the campaign in `folder`; nothing is written."""
    try:
        with (folder / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _holder(path: Path) -> int:
    text = path.read_text()
    return int(text) if text.isdigit() else 0


def _family() -> set[int]:
    """Return the pids of this process and of those that started it."""
    return {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
