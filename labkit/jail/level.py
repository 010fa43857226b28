"""How strong the wall is on this machine: found by trying, never by guessing; chosen once for a campaign."""

import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from labkit.errors import JailError

_HERE = Path(__file__).parent
_TRY_S = 20.0


class Level(StrEnum):
    """The wall that candidates run behind; shown and stored with every result."""

    SEALED = "sealed"
    FILTERED = "filtered"
    NONE = "none"

    @classmethod
    def of(cls, recorded: str) -> "Level":
        """Return the level of a recorded result, whose first word it is."""
        return cls(recorded.split()[0])

    @property
    def note(self) -> str:
        """One line that says what the level means."""
        return f"isolation: {self} ({_MEANING[self]})"

    @property
    def fenced(self) -> bool:
        """Whether the kernel holds candidates back; figures made without are not comparable."""
        return self is not Level.NONE


_MEANING = {
    Level.SEALED: "bubblewrap, fresh namespaces, Landlock, seccomp, resource limits",
    Level.FILTERED: "Landlock, seccomp, resource limits; no namespaces of its own",
    Level.NONE: "NO KERNEL FENCE: candidates can read this user's files and use the network; figures not comparable",
}


@dataclass(frozen=True)
class Fence:
    """One part of the wall as found here.

    Attributes:
        missing: why it does not stand here; "" if it does.
        remedy: the one command or step that adds it; "" if it stands.
    """

    name: str
    covers: str
    missing: str = ""
    remedy: str = ""


def fences() -> tuple[Fence, ...]:
    """Return each fence and whether it stands here, tried by putting it around a throw-away process."""
    reasons, sealed = _try_fences(""), _try_fences("bubblewrap")
    found = [Fence(name, covers, reasons[name], remedy) for name, (covers, remedy) in _INNER.items() if name in reasons]
    outer_reason = next((reason for name, reason in sealed.items() if reason and not reasons.get(name)), "")
    remedy = next((fence.remedy for fence in found if fence.missing == outer_reason), _outer_remedy())
    found.append(Fence("bubblewrap", _OUTER, outer_reason, remedy))
    return tuple(f if f.missing else Fence(f.name, f.covers) for f in found)


_INNER = {
    "Linux": ("all of them are Linux's own", "run the lab in Docker, or on Windows in WSL2"),
    "/proc": ("the lab sees and ends every process that it started", "mount -t proc proc /proc"),
    "a process": ("each candidate has a process of its own", "raise the limit of processes: ulimit -u"),
    "mount namespace": (
        "a Python below a closed home stays readable once root is dropped",
        "rm -r .venv && /usr/bin/python3 ./lab doctor (any Python that all users can read)",
    ),
    "unprivileged uid": ("started as root, candidates run as nobody", "start the lab as an ordinary user"),
    "Landlock": (
        "files, TCP, sockets and signals to other processes",
        "boot a kernel from 5.13 on with landlock in its `lsm=` list; in a container, allow landlock_* in its profile",
    ),
    "supervised forks": (
        "one process for each run and not one more",
        "allow seccomp user notification: kernel from 5.5 on, not inside another supervisor",
    ),
    "seccomp": ("all system calls that a codec does not need", "allow seccomp(2) in the container's profile"),
}
"""What each inner fence covers, and what adds it."""
_OUTER = "an own file tree, process tree, network and IPC: what is not there cannot be attacked"
_SWITCHES = {
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),  # Ubuntu from 23.10 on
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "user.max_user_namespaces": ("0", "15000"),
}
"""Kernel settings that forbid an ordinary user's namespaces: the value that does, one that allows them."""


def _outer_remedy() -> str:
    """Return the command that adds bubblewrap or, where it is, what it needs; the machine itself says which."""
    if shutil.which("bwrap") is None:
        return "apt install bubblewrap"
    for name, (forbids, allows) in _SWITCHES.items() if os.geteuid() else ():
        switch = Path("/proc/sys", *name.split("."))
        if switch.exists() and switch.read_text().strip() == forbids:
            return f"sysctl {name}={allows}"
    capability = "" if os.geteuid() else "--cap-add SYS_ADMIN "
    return (
        f"in a container: docker run {capability}--security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined --security-opt systempaths=unconfined"
    )


@functools.cache
def available_levels() -> tuple[Level, ...]:
    """Return the levels that stand on this machine, strongest first; NONE is never among them."""
    levels = ((Level.SEALED, "bubblewrap"), (Level.FILTERED, ""))
    return tuple(level for level, outer in levels if not any(_try_fences(outer).values()))


def choose(minimum: Level = Level.FILTERED) -> Level:
    """Return the strongest level of this machine.

    Raises:
        JailError: it is weaker than `minimum`; says what is missing and what would add it.
    """
    levels = available_levels()
    if levels and (minimum is Level.FILTERED or levels[0] is Level.SEALED):
        return levels[0]
    *inner, outer = fences()
    lacking = [fence for fence in inner if fence.missing] or [outer]
    what = "; ".join(f"{fence.name}: {fence.missing} (to add it: {fence.remedy})" for fence in lacking)
    raise JailError(f"isolation {minimum} was asked for and does not stand here: {what}; `labkit doctor` tells more")


# --- what the processes beyond the wall are started with -----------------------------------------


def warden_command(level: Level, control: int) -> list[str]:
    """Return the command that starts a warden on the descriptor `control`, behind the outer fence if there is one."""
    fenced = "fenced" if level.fenced else "open"
    inner = [*_python(), str(_HERE / "warden.py"), str(control), fenced, *readable_trees()]
    return [*_outer(), *inner] if level is Level.SEALED else inner


def environment() -> dict[str, str]:
    """Return the whole environment beyond the wall: no key, no home, one thread everywhere."""
    one_thread = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "PYTHONPATH": os.pathsep.join(_site_packages()),
        "PYTHONHASHSEED": "0",
        "OPENCV_FOR_THREADS_NUM": "1",
        **dict.fromkeys(one_thread, "1"),
    }


def readable_trees() -> list[str]:
    """Return what candidates may read: Python's library, the installed packages, the system's libraries."""
    prefixes = {sys.base_prefix, sys.base_exec_prefix}
    system = (
        "/usr/lib",
        "/usr/lib64",
        "/lib",
        "/lib64",
        "/etc/ld.so.cache",
        "/proc/cpuinfo",
        "/dev/null",
        "/dev/urandom",
    )
    wanted = {*(f"{prefix}/lib" for prefix in prefixes), sysconfig.get_path("stdlib"), *_site_packages(), *system}
    real = sorted({os.path.realpath(path) for path in wanted if Path(path).exists()})
    return [path for path in real if not any(path.startswith(other + "/") for other in real)]


def _site_packages() -> list[str]:
    # as they are called without symbolic links: none of those leads anywhere in the new file tree
    return [os.path.realpath(path) for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


def _python() -> list[str]:
    return [os.path.realpath(sys.executable), "-s", "-S", "-P", "-B", "-u"]


def _outer() -> list[str]:
    """Return bubblewrap's command line: nothing of the machine but what candidates may read, and that read only.

    Started as root, the real uid is dropped behind the mounts, by the warden: a user namespace would keep
    it, and with it the right to read what only root may.
    """
    own = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    user = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if os.geteuid() == 0 else ["--unshare-user"]
    devices = [path for path in readable_trees() if path.startswith("/dev/")]
    trees = [path for path in readable_trees() if not path.startswith(("/dev/", "/proc/"))]
    trees += [str(_HERE), os.path.realpath(sys.executable)]
    parents = sorted({str(folder) for path in (*trees, *devices) for folder in list(Path(path).parents)[:-1]})
    binds = [word for folder in parents for word in ("--dir", folder)]  # else bwrap makes them for root alone
    binds += [word for path in trees for word in ("--ro-bind", path, path)]
    binds += [word for path in _links() for word in ("--symlink", str(Path(path).readlink()), path)]
    binds += [word for path in devices for word in ("--dev-bind", path, path)]
    end = ["--proc", "/proc", "--remount-ro", "/", "--chdir", "/", "--as-pid-1", "--"]
    return ["bwrap", *own, *user, *binds, *end]


def _links() -> list[str]:
    """Return the system's folders that are links into /usr, such as /lib64: the loader's name goes through one."""
    return [path for path in ("/lib", "/lib64") if Path(path).is_symlink()]


@functools.cache
def _try_fences(outer: str) -> dict[str, str]:
    """Return, for each fence, why it does not stand here, "" if it does; tried in a process of its own."""
    if platform.system() != "Linux":
        return {outer or "Linux": f"this is {platform.system()}, which has none of them"}
    if not Path("/proc/self/stat").exists():
        return {outer or "/proc": "no /proc is mounted"}
    if outer and shutil.which("bwrap") is None:
        return {outer: "the program bwrap is not installed"}
    command = [*(_outer() if outer else ()), *_python(), str(_HERE / "fence.py"), *readable_trees()]
    try:
        done = subprocess.run(command, env=environment(), cwd="/", capture_output=True, text=True, timeout=_TRY_S)
    except OSError as error:
        return {outer or "a process": f"none could be started: {error.strerror}"}
    except subprocess.TimeoutExpired:
        return {outer or "a process": f"it did not answer within {_TRY_S:g} s"}
    if done.returncode != 0:
        words = _last_line(done.stderr.splitlines()) or f"exit status {done.returncode}"
        return {outer or "a process": f"it ended with: {words}"}
    reasons: dict[str, str] = json.loads(done.stdout)
    return {"/proc": "", **{name: reason.removeprefix(f"{name}: ") for name, reason in reasons.items()}}


def _last_line(lines: Sequence[str]) -> str:
    return lines[-1].strip() if lines else ""
