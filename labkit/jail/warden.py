"""Beyond the wall, outermost: starts the nursery, reaps its children, ends everything when the lab goes away.

Imports nothing of labkit and never loads a candidate's code, so what it reports (exit status, CPU
seconds, peak memory from wait4) is true. Started as `python -s -S -P -B -u warden.py FD`, where FD is a
SEQPACKET socket to the lab. Messages are JSON with file descriptors beside them:

    lab -> warden  {"op": "load"} + [blob, reply, output]      once: fork the nursery, which loads the candidate
                   {"op": "run"} + [request, reply, output]    fork one child of the nursery
                   {"op": "usage"}                             answer {"about": "usage", "cpu_s": of the nursery}
    warden -> lab  {"about": "nursery" | "child", "status": wait status, "cpu_s": ..., "peak_mib": ...} when it ended

The end of the socket means that the lab is gone: every descendant is killed.
"""

import ctypes
import json
import os
import select
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}, {value}): {os.strerror(number)}")


class Warden:
    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.nursery_pid = 0
        self.nursery: socket.socket | None = None
        self.wake: tuple[int, ...] = ()

    def serve(self) -> None:
        wake_read, wake_write = self.wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self.control.fileno(), wake_read], [], [])
            if wake_read in ready:
                os.read(wake_read, 4096)
                self.reap()
            if self.control.fileno() in ready and not self.obey():
                return

    def obey(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self.control, 65536, 3)
        if not message:
            return False
        order = json.loads(message)["op"]
        if order == "load":
            self.start_nursery(fds)
        elif order == "usage":
            self.control.send(json.dumps({"about": "usage", "cpu_s": cpu_seconds(self.nursery_pid)}).encode())
        elif self.nursery is not None:
            try:
                socket.send_fds(self.nursery, [b"run"], fds)
            except OSError:
                pass  # the nursery is dead: closing the descriptors tells the lab, its reason follows from wait4
        for fd in fds:
            os.close(fd)
        return True

    def start_nursery(self, fds: list[int]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.nursery_pid = os.fork()
        if self.nursery_pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            ours.close()
            self.control.close()
            for fd in self.wake:
                os.close(fd)
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
            import worker

            del sys.path[0]
            worker.nursery(theirs, *fds)
            os._exit(0)
        theirs.close()
        self.nursery = ours

    def reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            who = "nursery" if pid == self.nursery_pid else "child"
            report = {
                "about": who,
                "status": status,
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "peak_mib": usage.ru_maxrss / 1024,
            }
            try:
                self.control.send(json.dumps(report).encode())
            except OSError:
                return  # the lab is gone; the main loop sees it too


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a living process has used so far, 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descendants() -> list[int]:
    """Return the pids of all processes below this one, read from /proc."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parents[int(name)] = int(file.read().rsplit(b")", 1)[1].split()[1])
            except OSError:
                continue  # it ended while we looked
    found, frontier = [], [os.getpid()]
    while frontier:
        frontier = [pid for pid, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def end_all() -> None:
    """Kill until nothing is left below this process; orphans come back to it, a subreaper."""
    while pids := descendants():
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, 0)[0]:
                pass
        except ChildProcessError:
            continue


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the lab's to handle: it closes the socket
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        Warden(socket.socket(fileno=int(sys.argv[1]))).serve()
    finally:
        end_all()


if __name__ == "__main__":
    main()
