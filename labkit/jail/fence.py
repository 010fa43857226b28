"""Beyond the wall: the kernel fences that a process puts around itself. Imports nothing of labkit.

Needs neither root nor a helper program; what it sets can never be undone, and every child inherits it:

    drop_root()   an unprivileged uid without capabilities, if started as root
    supervise()   seccomp, first filter: each fork asks the warden, which allows one for each run
    enclose()     Landlock: no file but the named trees, read only; no TCP, no signal or socket to outside
                  seccomp, second filter: an allow-list of system calls and of their arguments

Run as a program it tries each of these in its own process and prints what works, as JSON: a kernel that
has a feature may still refuse it, so nothing is concluded from version numbers or from /sys.

Source: kernel documentation, userspace-api/landlock and userspace-api/seccomp_filter.
"""

import ctypes
import errno
import fcntl
import json
import os
import platform
import struct
import sys

ALWAYS = """
    read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, preadv 295 69, lseek 8 62, close 3 57,
    close_range 436 436, dup 32 23, dup2 33 -, dup3 292 24, poll 7 -, ppoll 271 73, recvmsg 47 212,
    open 2 -, openat 257 56, getdents64 217 61, getcwd 79 17, stat 4 -, lstat 6 -, fstat 5 80, newfstatat 262 79,
    statx 332 291, access 21 -, faccessat 269 48, faccessat2 439 439, readlink 89 -, readlinkat 267 78,
    munmap 11 215, mremap 25 216, mprotect 10 226, madvise 28 233, brk 12 214,
    futex 202 98, set_robust_list 273 99, rseq 334 293, restart_syscall 219 128,
    rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, sigaltstack 131 132, exit 60 93, exit_group 231 94,
    sched_yield 24 124, sched_getaffinity 204 123, getcpu 309 168, uname 63 160, sysinfo 99 179, getrandom 318 278,
    getpid 39 172, getppid 110 173, gettid 186 178, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177,
    clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101, gettimeofday 96 169,
    time 201 -, getrlimit 97 163
"""
"""System calls that a codec may make freely: name, number on x86-64, number on arm64."""

CLONE_PARENT, SIGCHLD = 0x8000, 17
FORK = CLONE_PARENT | SIGCHLD
"""The only kind of fork: the child belongs to the warden, whose wait4 is out of the candidate's reach."""

CHECKED = {
    # name: numbers, then alternatives; each a list of (argument, mask, value) that must all hold
    "mmap": ((9, 222), [[(3, 1, 0)]]),  # no MAP_SHARED: memory shared by two runs would carry a message
    "clone": ((56, 220), [[(0, 0xFFFFFFFF, FORK)]]),
    # no locks, leases, owners, pipe sizes or flags: all of them are seen by other runs that share the descriptor
    "fcntl": ((72, 25), [[(1, 0xFFFFFFFF, command)] for command in (0, 1, 2, 3, 1030)]),  # F_DUPFD, F_[GS]ETFD, F_GETFL
    "ioctl": ((16, 29), [[(1, 0xFFFFFFFF, number)] for number in (0x5401, 0x5413, 0x5450, 0x5451)]),  # TCGETS.. FIOCLEX
    "prctl": ((157, 167), [[(0, 0xFFFFFFFF, option)] for option in (1, 15)]),  # PR_SET_PDEATHSIG, PR_SET_NAME
    # limits may be read; only that on CPU seconds may be set: the lab checks it with wait4's figure anyway
    "prlimit64": ((302, 261), [[(2, 0xFFFFFFFF, 0), (2.5, 0xFFFFFFFF, 0)], [(0, 0xFFFFFFFF, 0), (1, 0xFFFFFFFF, 0)]]),
    "getrusage": ((98, 165), [[(0, 0xFFFFFFFF, 0)]]),  # of itself; what its children used would be a message
}
"""System calls that depend on their arguments; argument 2.5 is the upper half of argument 2."""

NOT_THERE = ("clone3 435 435",)
"""Answered with ENOSYS, so that glibc falls back to a call whose arguments can be inspected."""
NEWER = 450
"""From this number on, too: programs expect a kernel that does not know the newest calls."""

MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
"""Column in the tables, AUDIT_ARCH, number of seccomp(2)."""

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 4, 38, 24
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
READ_FILE, READ_DIR = 1 << 2, 1 << 3
LANDLOCK_FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}  # by ABI; 16 from 5 on
NOBODY = 65534
NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101
_NOTIF, _ANSWER = struct.Struct("<QII64s"), struct.Struct("<QqiI")

_libc = ctypes.CDLL(None, use_errno=True)


class FenceError(Exception):
    """A fence that this machine refuses; the text says which and why."""


def call(what, number, *args):
    """Make a system call; raise FenceError with the kernel's reason."""
    result = _libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in args))
    if result < 0:
        raise FenceError(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def prctl(what, option, value):
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise FenceError(f"{what}: {os.strerror(ctypes.get_errno())}")


# --- uid -----------------------------------------------------------------------------------------


def drop_root():
    """Become an unprivileged user if this is root; nothing that follows can come back."""
    if os.geteuid() != 0 and os.getuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        raise FenceError(f"started as root and cannot become uid {NOBODY}: {error.strerror}") from error
    nothing = struct.pack("<II", 0x20080522, 0), bytes(24)  # _LINUX_CAPABILITY_VERSION_3, this process; no capability
    if _libc.capset(*nothing) != 0:
        raise FenceError(f"cannot give up root's capabilities: {os.strerror(ctypes.get_errno())}")
    # else /proc of our own children would be closed to us, who must look whether they keep a file open
    prctl("PR_SET_DUMPABLE", PR_SET_DUMPABLE, 1)


def closed_folder(path):
    """Return the topmost folder on the way to `path` that other users may not pass; None if there is none."""
    at = ""
    for part in path.strip("/").split("/"):
        at += "/" + part
        if os.path.isdir(at) and not os.stat(at).st_mode & 0o001:
            return at
    return None


def open_way(trees):
    """Make `trees` reachable for an unprivileged user, in a mount namespace of our own; for root only.

    A Python that lives below /root could not import anything more once root is dropped. The closed folder
    is covered by an empty one that holds nothing but the trees: the rest of it is out of sight.
    """
    hidden = {}
    for tree in trees:
        if folder := closed_folder(tree):
            hidden.setdefault(folder, []).append(tree)
    if not hidden:
        return
    call(
        f"{' '.join(hidden)} is closed to other users and holds this Python; a mount namespace to open a way",
        272 if platform.machine() == "x86_64" else 97,
        0x20000,  # unshare(CLONE_NEWNS)
    )
    mount(b"none", b"/", None, 0x44000)  # MS_REC | MS_PRIVATE
    for folder, inside in hidden.items():
        kept = [(tree, os.open(tree, os.O_PATH)) for tree in inside]
        mount(b"tmpfs", folder.encode(), b"tmpfs", 6, b"mode=755")  # MS_NOSUID | MS_NODEV
        for tree, fd in kept:
            os.makedirs(tree, exist_ok=True)
            mount(f"/proc/self/fd/{fd}".encode(), tree.encode(), None, 0x1000)  # MS_BIND
            os.close(fd)


def mount(source, target, kind, flags, data=None):
    if _libc.mount(source, target, kind, ctypes.c_ulong(flags), data) != 0:
        raise FenceError(f"mount on {target.decode()}: {os.strerror(ctypes.get_errno())}")


# --- seccomp -------------------------------------------------------------------------------------

LOAD, JUMP_EQUAL, JUMP_FROM, AND, RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
ALLOW, ASK, REFUSE, KILL = 0x7FFF0000, 0x7FC00000, 0x00050000, 0x80000000


def machine():
    try:
        return MACHINES[platform.machine()]
    except KeyError:
        raise FenceError(
            f"no table of system calls for {platform.machine()}; there is one for x86-64 and arm64"
        ) from None


def numbered(table):
    """Return the numbers, on this machine, of a table's system calls."""
    column = machine()[0]
    rows = (row.split() for row in table.replace("\n", " ").split(",") if row.strip())
    return [int(row[1 + column]) for row in rows if row[1 + column] != "-"]


def begin():
    """Return a filter's first steps: nothing but this machine's own calling convention."""
    start = [(LOAD, 0, 0, 4), (JUMP_EQUAL, 1, 0, machine()[1]), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    return [*start, (JUMP_FROM, 0, 1, 0x40000000), (RETURN, 0, 0, KILL)]  # x32 has numbers of its own


def on_call(number, steps):
    """Return steps that run `steps` for one system call; `steps` must end in a RETURN."""
    return [(JUMP_EQUAL, 0, len(steps), number), *steps]


def argument(index):
    return 16 + int(index * 8)


def if_all(conditions, verdict):
    """Return steps that end in `verdict` if all conditions hold, and go on behind them otherwise."""
    steps = [(RETURN, 0, 0, verdict)]
    for index, mask, value in reversed(conditions):
        steps = [(LOAD, 0, 0, argument(index)), (AND, 0, 0, mask), (JUMP_EQUAL, 0, len(steps), value), *steps]
    return steps


def allow_list():
    """Return the second filter: what a codec may do; all else is answered with EPERM."""
    program = begin()
    for number in numbered(ALWAYS):
        program += on_call(number, [(RETURN, 0, 0, ALLOW)])
    for numbers, alternatives in CHECKED.values():
        steps = [step for conditions in alternatives for step in if_all(conditions, ALLOW)]
        program += on_call(numbers[machine()[0]], [*steps, (RETURN, 0, 0, REFUSE | errno.EPERM)])
    for number in numbered(",".join(NOT_THERE)):
        program += on_call(number, [(RETURN, 0, 0, REFUSE | errno.ENOSYS)])
    program += [(JUMP_FROM, 0, 1, NEWER), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
    return [*program, (RETURN, 0, 0, REFUSE | errno.EPERM)]


def ask_for_forks():
    """Return the first filter: each clone is the supervisor's to allow."""
    clone = CHECKED["clone"][0][machine()[0]]
    return [*begin(), *on_call(clone, [(RETURN, 0, 0, ASK)]), (RETURN, 0, 0, ALLOW)]


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def install(program, flags=0):
    """Install a seccomp filter in this process; return what seccomp(2) returns."""
    code = b"".join(struct.pack("<HBBI", *step) for step in program)
    steps = ctypes.create_string_buffer(code, len(code))
    described = _Filter(len(program), ctypes.addressof(steps))
    return call("seccomp filter", machine()[2], 1, flags, ctypes.byref(described))


def supervise():
    """Install the first filter; return the descriptor on which the supervisor is asked for each fork."""
    prctl("no_new_privs", PR_SET_NO_NEW_PRIVS, 1)
    return install(ask_for_forks(), flags=8)  # SECCOMP_FILTER_FLAG_NEW_LISTENER


def answer_fork(listener, allowed):
    """Take one question; allow it if `allowed(pid)`."""
    question = bytearray(_NOTIF.size)
    try:
        fcntl.ioctl(listener, NOTIF_RECV, question)
        number, pid, _, _ = _NOTIF.unpack(question)
        error, go_on = (0, 1) if allowed(pid) else (-errno.EPERM, 0)
        fcntl.ioctl(listener, NOTIF_SEND, bytearray(_ANSWER.pack(number, 0, error, go_on)))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINTR):  # the process that asked is gone
            raise


# --- Landlock ------------------------------------------------------------------------------------


def landlock_abi():
    """Return the version of Landlock that this kernel lets us use; asked of the kernel, not of /sys."""
    return call("Landlock", LANDLOCK_CREATE, 0, 0, 1)


def landlock(trees):
    """Let this process open nothing but files and folders below `trees`, for reading."""
    abi = landlock_abi()
    attributes = struct.pack("<QQQ", (1 << LANDLOCK_FS_BITS.get(abi, 16)) - 1, 3, 3)  # files; TCP; scopes
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = call("Landlock", LANDLOCK_CREATE, ctypes.create_string_buffer(attributes, 24), size, 0)
    for tree in trees:
        try:
            fd = os.open(tree, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):
            continue  # what cannot be reached needs no rule
        access = READ_FILE | READ_DIR if os.path.isdir(tree) else READ_FILE
        rule = ctypes.create_string_buffer(struct.pack("<Qi", access, fd), 12)
        call("Landlock", LANDLOCK_ADD, ruleset, 1, rule, 0)
        os.close(fd)
    prctl("no_new_privs", PR_SET_NO_NEW_PRIVS, 1)
    call("Landlock", LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def enclose(trees):
    """Put the last fences around this process: from here on it may read `trees` and compute."""
    landlock(trees)
    install(allow_list())


# --- what works here -----------------------------------------------------------------------------


def tried(fence):
    """Return "" if `fence` can be set here, else why not."""
    try:
        fence()
    except FenceError as error:
        return str(error)
    return ""


def main():
    """Try every fence on this process, in their order; print {"fence": reason or ""}."""
    trees = sys.argv[1:]
    reasons = {"mount namespace": tried(lambda: open_way(trees)) if os.geteuid() == 0 else ""}
    reasons["unprivileged uid"] = tried(drop_root)
    reasons["Landlock"] = tried(lambda: landlock(trees))
    reasons["supervised forks"] = tried(supervise)
    reasons["seccomp"] = tried(lambda: install(allow_list()))
    print(json.dumps(reasons), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
