"""What hostile files aim at: canaries, victims and listeners of our own, and what is seen of them afterwards."""

import contextlib
import os
import re
import secrets
import selectors
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from hostile_files import Attack

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
MARKUP = re.compile("<script|<img|</?b>")
SHARED_FOLDERS = ("/dev/shm", "/dev/mqueue", "/tmp", "/var/tmp", "/run/lock")
MIB = 2**20
BULK = {
    "PADDING": "x" * (300 << 10),
    "CONSTANT": "x" * (70 << 10),
    "QUARTER": "x" * (50 << 10),
    "MINUSES": "-" * 4000,
}
"""What a source is stuffed with that holds more than it may."""


@dataclass
class Outcome:
    """What came out of a candidate's runs, in the jail or without it.

    Attributes:
        verdict: "runs", or "stage: kind" of the failure.
        came_out: every byte that left it: payloads, frames, output, the words of its failure.
        first_samples: of the decoded frames, by clip.
        taken: whether the attacked run was taken for a good result.
        fell: whether more than the attacked run was brought down.
        left: processes that were there when all was over.
        page: what a reader is shown of it as HTML.
        lines: what a reader is shown of it on a terminal.
    """

    verdict: str
    came_out: bytes
    output: str
    first_samples: dict[str, bytes] = field(default_factory=dict)
    taken: bool = False
    fell: bool = False
    hung: bool = False
    left: list[str] = field(default_factory=list)
    input_changed: bool = False
    page: str = ""
    lines: str = ""

    @property
    def refusals(self) -> set[int]:
        """errno numbers with which the kernel has answered."""
        found = re.findall(r"refused (\d+)|\[Errno (\d+)\]", self.came_out.decode("utf-8", "replace"))
        return {int(one or other) for one, other in found}


class Post:
    """Listeners on this machine; keeps all that is said to them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hostile-post-"))
        self.folder.chmod(0o755)
        self.path = str(self.folder / "socket")
        self.abstract = f"hostile-{secrets.token_hex(8)}"
        self.heard = b""
        self._selector = selectors.DefaultSelector()
        self.tcp = self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self.udp = self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, self.path)
        Path(self.path).chmod(0o777)
        self._listen(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.abstract)
        self._end, ours = socket.socketpair()
        self._selector.register(ours, selectors.EVENT_READ, "end")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _listen(self, family: int, kind: int, address: object) -> int:
        listener = socket.socket(family, kind)
        listener.bind(address)  # type: ignore[arg-type]
        if kind == socket.SOCK_STREAM:
            listener.listen()
        self._selector.register(listener, selectors.EVENT_READ, "accept" if kind == socket.SOCK_STREAM else "read")
        return int(listener.getsockname()[1]) if family == socket.AF_INET else 0

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data == "end":
                    return
                self._take(key.fileobj, key.data)  # type: ignore[arg-type]

    def _take(self, ready: socket.socket, what: str) -> None:
        if what == "accept":
            self._selector.register(ready.accept()[0], selectors.EVENT_READ, "read")
            return
        with contextlib.suppress(ConnectionError):
            if data := ready.recv(4096):
                self.heard += data
                return
        self._selector.unregister(ready)
        ready.close()

    def close(self) -> None:
        self._end.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._end.close()
        self._selector.close()
        shutil.rmtree(self.folder)


class World:
    """What one attack finds around it. The files may be read and written by everybody: only the wall may refuse.

    Args:
        uid: of the process that is attacked, and the owner of the victim's file: those of the attack.
    """

    def __init__(self, attack: Attack, post: Post, uid: int) -> None:
        self.attack, self.post, self.uid = attack, post, uid
        self.token = "token" + secrets.token_hex(12)
        self.name = "h" + secrets.token_hex(6)
        self.folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        self.cold = Path(tempfile.mkdtemp(prefix="hostile-", dir="/var/tmp")) / "cold"
        self.victim: subprocess.Popen[bytes] | None = None
        try:
            self._furnish()
            if "@PID@" in attack.text:
                self._start_victim()
            self._before = self._state()
            self._forget()
        except BaseException:
            self.close()
            raise

    def _furnish(self) -> None:
        self.folder.chmod(0o777)
        keys = self.folder / "home" / ".ssh"
        keys.mkdir(parents=True)
        names = self.folder / "names"
        names.mkdir()
        (self.folder / "cwd").mkdir()
        (self.folder / "cwd").chmod(0o777)
        pixels = np.frombuffer(self.token.encode(), np.uint8)
        files = {
            self.folder / "canary": self.token.encode() + b"\n",
            self.folder / "canary.pgm": b"P5 %d 1 255\n" % pixels.size + pixels.tobytes(),
            Path(os.fsdecode(os.fsencode(self.folder) + b"/canary\xaa")): self.token.encode(),
            keys / "id_ed25519": b"PRIVATE KEY " + self.token.encode(),
            names / self.token: b"",
            self.folder / "victim": b"left alone\n" * 1000,
        }
        for path, content in files.items():
            path.write_bytes(content)
            path.chmod(0o644)
            if os.geteuid() == 0:
                os.chown(path, self.uid, self.uid)
        (self.folder / "victim").chmod(0o666)
        self.cold.parent.chmod(0o755)
        with self.cold.open("wb") as file:
            file.write(b"x" * (12 * MIB if "@COLD@" in self.attack.text else 1))
            file.flush()
            os.fsync(file.fileno())  # only what is on the disk can be dropped from memory
        (self.folder / "shelf").mkdir()
        for number in range(90):
            (self.folder / "shelf" / f"{number:02}").write_text("book")

    def _forget(self) -> None:
        """Undo what reading leaves behind: access times, and pages in the cache."""
        for path in (self.folder / "shelf").iterdir():
            os.utime(path, ns=(0, path.stat().st_mtime_ns))  # the kernel notes a reading only after a change
        evict(self.cold)
        evict(library())

    def _start_victim(self) -> None:
        user = {"user": self.uid, "group": self.uid, "extra_groups": []} if os.geteuid() == 0 else {}
        self.victim = subprocess.Popen(
            ["/bin/sleep", "600"],
            env={"KEY": self.token},
            start_new_session=True,
            **user,  # type: ignore[call-overload]
        )
        it = psutil.Process(self.victim.pid)
        calm = 0
        while calm < 3:  # until it has become its program, and sleeps for good
            calm = calm + 1 if it.name() == "sleep" and it.status() == psutil.STATUS_SLEEPING else 0
            time.sleep(0.002)

    @property
    def places(self) -> dict[str, str]:
        """What stands for the names between @ signs in a hostile file."""
        return {
            "FOLDER": str(self.folder),
            "CANARY": str(self.folder / "canary"),
            "VICTIM": str(self.folder / "victim"),
            "TCP": str(self.post.tcp),
            "UDP": str(self.post.udp),
            "UNIX": self.post.path,
            "ABSTRACT": self.post.abstract,
            "PID": str(self.victim.pid if self.victim else 0),
            "NAME": self.name,
            "COLD": str(self.cold),
            "LIBRARY": str(library()),
            **BULK,
        }

    # --- what is seen afterwards -------------------------------------------------------------------

    def _state(self) -> dict[str, object]:
        """Return all that an attack might change: files by path, and the victim."""
        state: dict[str, object] = {str(path): describe(path) for path in [self.folder, *self.folder.rglob("*")]}
        if self.victim:
            state["victim"] = describe_process(self.victim)
        return state

    def changed_files(self) -> list[str]:
        """Return the paths of files that have appeared, gone or changed."""
        now = self._state()
        paths = {path for path in now.keys() | self._before.keys() if path != "victim"}
        changed = sorted(path for path in paths if now.get(path) != self._before.get(path))
        return changed + [str(path) for path in self._planted()]

    def _planted(self) -> Iterator[Path]:
        """Yield files of this attack's name where everybody, or Python, looks."""
        for folder in (*SHARED_FOLDERS, *sys.path, *site.getsitepackages()):
            with contextlib.suppress(OSError):
                yield from (Path(folder) / entry for entry in os.listdir(folder) if self.name in entry)

    def victim_changed(self) -> bool:
        return self.victim is not None and describe_process(self.victim) != self._before["victim"]

    def contacted(self, wait_s: float = 0.0) -> bool:
        """Return whether a listener has heard this attack's name, or does so soon."""
        until = time.monotonic() + wait_s
        while self.name.encode() not in self.post.heard and time.monotonic() < until:
            time.sleep(0.01)
        return self.name.encode() in self.post.heard

    def signs(self, outcome: Outcome, patience_s: float = 0.0) -> set[str]:
        """Return all the signs of harm that there are."""
        bits = (1 << self.attack.bits) - 1
        stash = outcome.first_samples
        found = {
            "leak": self.token.encode() in outcome.came_out,
            "file": bool(self.changed_files()),
            "contact": self.contacted(patience_s),
            "victim": self.victim_changed(),
            "alive": bool(outcome.left),
            "claim": "did it" in outcome.output,
            "stash": len(stash) == 2 and all(stash[name][0] & bits == CLIP_STARTS[name] & bits for name in stash),
            "taken": outcome.taken,
            "fall": outcome.fell,
            "hang": outcome.hung,
            "flood": len(outcome.output) > MIB,
            "input": outcome.input_changed,
            "raw": bool(HIDDEN.search(outcome.page + outcome.lines) or MARKUP.search(outcome.page)),
            "none": False,
        }
        return {sign for sign, there in found.items() if there}

    def close(self) -> None:
        for path in self._planted():
            path.unlink()
        for process in self.survivors():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.victim:
            if self.victim.poll() is None:
                self.victim.send_signal(signal.SIGCONT)
                self.victim.kill()
            self.victim.wait()
        shutil.rmtree(self.folder)
        shutil.rmtree(self.cold.parent)

    def survivors(self) -> list[psutil.Process]:
        """Return processes that carry this attack's name, as their own or in their environment."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.name() == self.name or process.environ().get("HOSTILE_NAME") == self.name:
                    found.append(process)
        return found


CLIP_STARTS = {"A": 0b01010101, "B": 0b10101010}
"""The first sample of each clip: in whichever bits a stash carries, the two differ."""


def describe(path: Path) -> tuple[object, ...] | None:
    """Return all of a file that may change; reading it changes its access time only, which is left out."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    extended = tuple((n, os.getxattr(path, n)) for n in os.listxattr(path)) if not path.is_symlink() else ()
    content = path.read_bytes() if path.is_file() and status.st_size < MIB else b""
    times = () if path.is_dir() else (status.st_mtime_ns,)
    return (status.st_mode, status.st_uid, status.st_size, status.st_nlink, times, extended, content)


def describe_process(process: subprocess.Popen[bytes]) -> tuple[object, ...]:
    """Return all of a sleeping process that another may change."""
    if process.poll() is not None:
        return ("ended", process.returncode)
    it = psutil.Process(process.pid)
    told = tuple(Path(f"/proc/{process.pid}/{name}").read_text() for name in ("limits", "oom_score_adj"))
    return (it.status(), it.nice(), it.ionice(), tuple(it.cpu_affinity() or ()), told)


def library() -> Path:
    """Return a large file of the installed packages that no process of the suite needs: readable even in the jail."""
    return Path(np.__file__).parents[1] / "llvmlite" / "binding" / "libllvmlite.so"


def evict(path: Path) -> None:
    """Drop a file from the page cache."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
