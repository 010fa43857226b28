"""Bad machines, made for real: this program spoils a process in the ways it is told, then becomes a command.

    python machines.py REPORT [STEP[=ARGUMENT] ...] -- COMMAND ...

It watches what the command leaves behind. Started as root it does so in mount and IPC namespaces of its own, so
that nobody else's files are counted; every process that the command has orphaned comes back to it, a subreaper.
REPORT gets JSON: what is left of processes, files and IPC, and how many of its own sleeping children still live.
The exit status is the command's.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "labkit" / "jail"))
import fence  # noqa: E402

USER = 54321
"""An ordinary user whom nobody else is: the kernel counts its processes from none."""
SLEEPERS = 1000
GRACE_S = 5.0
NOTEBOOKS = ROOT / "notebooks"
"""Where a notebook's kernel runs, and has its sockets."""
NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag of clone and unshare
MS_BIND, MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 0x1000, 1, 32, 0x4000, 0x40000
CAP_SYS_ADMIN = 21

_libc = ctypes.CDLL(None, use_errno=True)


# --- the steps -------------------------------------------------------------------------------------------


def no_landlock() -> None:
    """A kernel from before Landlock."""
    refuse("landlock 444 444, landlock 445 445, landlock 446 446", errno.ENOSYS)


def no_seccomp() -> None:
    """A container whose profile refuses seccomp(2)."""
    refuse("seccomp 317 277", errno.EINVAL)


def no_namespaces() -> None:
    """A container as Docker makes it: no new namespaces, no mounts, root without CAP_SYS_ADMIN."""
    if os.geteuid() == 0:
        fence.prctl("dropping CAP_SYS_ADMIN", fence.PR_CAPBSET_DROP, CAP_SYS_ADMIN)  # gone with the next exec
    column = fence.machine()[0]
    plain = fence.if_all([(0, NEW_NAMESPACES, 0)], fence.ALLOW)
    clone = fence.on_call((56, 220)[column], [*plain, (fence.RETURN, 0, 0, fence.REFUSE | errno.EPERM)])
    refuse("clone3 435 435", errno.ENOSYS)  # its flags are out of a filter's sight
    refuse("unshare 272 97, setns 308 268, mount 165 40, pivot_root 155 41, fsopen 430 430", errno.EPERM, clone)


def busy_listener() -> None:
    """Somebody supervises this process already: the kernel allows one such listener."""
    listener = put_on([*fence.begin(), (fence.RETURN, 0, 0, fence.ALLOW)], flags=8)
    os.set_inheritable(listener, True)  # it lives as long as a descriptor of it


def no_proc() -> None:
    """/proc is not mounted."""
    check(_libc.unshare(0x20000), "unshare")
    fence.mount(b"tmpfs", b"/proc", b"tmpfs", 0)


def masked_proc() -> None:
    """A container as Podman makes it: namespaces, but parts of /proc are covered, so that none may be mounted anew."""
    fence.mount(b"tmpfs", b"/proc/sys", b"tmpfs", MS_RDONLY)


def only_root() -> None:
    """Root of a user namespace in which there is nobody else."""
    uid, gid = os.geteuid(), os.getegid()
    check(_libc.unshare(0x10000000), "unshare")  # CLONE_NEWUSER
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def sleepers() -> None:
    """A process that has a thousand children before it becomes the lab."""
    for _ in range(SLEEPERS):
        if os.fork() == 0:
            while True:
                signal.pause()


def open_python() -> None:
    """A Python that every user can read, wherever it lies."""
    fence.open_way([str(path) for path in needed()])


def ordinary_user() -> None:
    """Nobody in particular, who can read Python, labkit and the test's own folders."""
    open_python()
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)


def processes(allowed: str) -> None:
    """A user who may have so many processes."""
    resource.setrlimit(resource.RLIMIT_NPROC, (int(allowed), int(allowed)))


def read_only(path: str) -> None:
    """A folder on a file system that is mounted read-only."""
    target = path.encode()
    fence.mount(target, target, None, MS_BIND | MS_REC)  # what is mounted below stays
    fence.mount(b"none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY)


def small(place: str) -> None:
    """A folder on a disk of its own with so many KiB: PATH:KIB."""
    path, _, kib = place.rpartition(":")
    fence.mount(b"tmpfs", path.encode(), b"tmpfs", 0, f"size={kib}k,mode=777".encode())


def full(path: str) -> None:
    """A folder on a disk without a free byte."""
    small(f"{path}:64")
    with contextlib.suppress(OSError), Path(path, "rest").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


STEPS = (no_landlock, no_seccomp, no_namespaces, busy_listener, no_proc, masked_proc, only_root, sleepers,
         open_python, ordinary_user, processes, read_only, small, full)  # fmt: skip


def refuse(calls: str, error: int, more: list[tuple[int, int, int, int]] | None = None) -> None:
    """Answer system calls (name, number on x86-64, number on arm64) with an error, once and for all."""
    program = fence.begin()
    for number in fence.numbered(calls):
        program += fence.on_call(number, [(fence.RETURN, 0, 0, fence.REFUSE | error)])
    put_on([*program, *(more or []), (fence.RETURN, 0, 0, fence.ALLOW)])


def put_on(program: list[tuple[int, int, int, int]], flags: int = 0) -> int:
    """Install a filter; root needs no promise that it would pass on to bubblewrap."""
    try:
        return int(fence.install(program, flags))
    except fence.FenceError:
        fence.prctl("no_new_privs", fence.PR_SET_NO_NEW_PRIVS, 1)
        return int(fence.install(program, flags))


def check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


# --- watching --------------------------------------------------------------------------------------------


def needed() -> list[Path]:
    """Return the folders without which there is no lab: Python's, the project's, those of the test."""
    given = [os.environ[name] for name in ("TMPDIR", "HOME", "LABKIT_HOME", "MACHINE_FOLDER") if name in os.environ]
    folders = sorted({Path(path).resolve() for path in (sys.base_prefix, sys.prefix, ROOT, *given)})
    return [folder for folder in folders if not any(other in folder.parents for other in folders)]


def alone() -> None:
    """Go where /tmp, /dev/shm, notebooks/ and System V IPC belong to nobody else, if this user may."""
    if os.geteuid() != 0:
        return
    check(_libc.unshare(0x08020000), "unshare")  # CLONE_NEWNS | CLONE_NEWIPC
    fence.mount(b"none", b"/", None, MS_REC | MS_PRIVATE)
    kept = [(str(path), os.open(path, os.O_PATH)) for path in needed() if path.is_relative_to("/tmp")]
    notebooks = {path.name: path.read_bytes() for path in NOTEBOOKS.glob("*.ipynb")}
    for folder in (b"/tmp", b"/dev/shm"):
        fence.mount(b"tmpfs", folder, b"tmpfs", 0, b"mode=1777")
    for path, fd in kept:
        Path(path).mkdir(parents=True, exist_ok=True)
        fence.mount(f"/proc/self/fd/{fd}".encode(), path.encode(), None, MS_BIND)
        os.close(fd)
    fence.mount(b"tmpfs", str(NOTEBOOKS).encode(), b"tmpfs", 0, b"mode=755")
    for name, content in notebooks.items():
        (NOTEBOOKS / name).write_bytes(content)


def traces() -> set[str]:
    """Return what could be left behind: temporary files, shared memory, semaphores, queues, cgroups, sockets."""
    folders = {Path("/tmp"), Path("/dev/shm"), Path(os.environ.get("TMPDIR", "/tmp")), NOTEBOOKS}
    cgroup = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2]
    found = {str(path) for folder in folders for path in folder.iterdir() if ours(path)}
    found |= {str(path) for path in Path(f"/sys/fs/cgroup{cgroup}").glob("*/")}
    for kind in ("shm", "sem", "msg"):
        found |= {f"{kind} {line}" for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]}
    return found


def ours(path: Path) -> bool:
    """Whether a file can be the lab's: root is alone with its own, an ordinary user owns what the lab makes."""
    try:
        return os.geteuid() in (0, path.lstat().st_uid)
    except FileNotFoundError:  # somebody else's, gone meanwhile
        return False


def descendants() -> Iterator[tuple[int, str]]:
    """Yield pid and command line of every living process below this one; reap the dead."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_bytes().rsplit(b")", 1)[1].split()[:2]
        except OSError:
            continue
        parents[int(stat.parent.name)] = (int(parent), state)
    below = [os.getpid()]
    for pid in below:
        below += [child for child, (parent, _) in parents.items() if parent == pid]
    for pid in below[1:]:
        if parents[pid][1] != b"Z":
            try:
                yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue


def is_sleeper(command: str) -> bool:
    return "machines.py" in command


def watch(child: int) -> tuple[int, dict[str, object]]:
    """Return the command's wait status and what is alive once it had its time to end."""
    status = os.waitpid(child, 0)[1]
    deadline = time.monotonic() + GRACE_S
    while left := [(pid, command) for pid, command in descendants() if not is_sleeper(command)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    asleep = [pid for pid, command in descendants() if is_sleeper(command)]
    for pid in (*asleep, *(pid for pid, _ in left)):
        os.kill(pid, signal.SIGKILL)
    return status, {"processes": [command for _, command in left], "sleepers": len(asleep)}


def main() -> None:
    report, *rest = sys.argv[1:]
    steps, command = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    fence.prctl("subreaper", 36, 1)
    alone()
    before = traces()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` would leave it ignored
        known = {step.__name__: step for step in STEPS}
        for step in steps:
            name, _, argument = step.partition("=")
            known[name](*[argument] if argument else [])
        os.execvp(command[0], command)
    status, left = watch(child)
    left["traces"] = sorted(traces() - before)
    Path(report).write_text(json.dumps(left))
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main()
