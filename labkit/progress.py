"""How far a campaign's generation has come, in a small file that anybody may watch."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_EVERY_S = 0.2


class ProgressFile:
    """Writes `progress.json` in a campaign's folder; each job of the generation has a line in it."""

    def __init__(self, folder: Path, generation: int) -> None:
        self.path = folder / "progress.json"
        self._state: dict[str, Any] = {
            "generation": generation,
            "pid": os.getpid(),
            "started": time.time(),
            "jobs": {},
            "said": [],
        }
        self._guard = threading.Lock()
        self._written = 0.0

    def report(self, job: str, done: int, total: int, what: str) -> None:
        """Note that `done` of `total` steps of `job` are done and what is being done now."""
        with self._guard:
            self._state["jobs"][job] = {"done": done, "total": total, "what": what}
            if done == total or time.monotonic() - self._written > _EVERY_S:
                self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        fresh = self.path.with_suffix(f".{os.getpid()}.tmp")
        fresh.write_text(json.dumps({**self._state, "at": time.time()}))
        fresh.replace(self.path)

    def say(self, text: str) -> None:
        """Add a line that stays: a watcher shows each once."""
        with self._guard:
            self._state["said"].append(text)
            self._write()


def read_progress(folder: Path) -> dict[str, Any] | None:
    """Return what was written last; None if there is nothing (or nothing whole) to read."""
    try:
        state = json.loads((folder / "progress.json").read_text())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


@contextmanager
def watching(look: Callable[[], None], every_s: float) -> Iterator[None]:
    """Call `look` every so many seconds in a thread of its own while the block runs, and once more at its end."""
    stop = threading.Event()

    def follow() -> None:
        last = False
        while not last:
            last = stop.wait(every_s)
            look()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
