"""Beyond the wall, outermost: starts the nursery, reaps its children, ends everything when the lab goes away.

Imports nothing of labkit and never loads a candidate's code, so what it reports (exit status, CPU
seconds, peak memory from wait4) is true. Started as `python -s -S -P -B -u warden.py FD`, where FD is a
SEQPACKET socket to the lab. Messages are JSON with file descriptors beside them:

    lab -> warden  {"op": "load"} + [blob, reply, output]      once: fork the nursery, which loads the candidate
                   {"op": "run"} + [request, reply, output]    one child of the nursery gets these, and it alone
                   {"op": "usage"}                             answer {"about": "usage", "cpu_s": of the nursery}
    warden -> lab  {"about": "nursery" | "child", "status": wait status, "cpu_s": ..., "peak_mib": ...} when it ended

The end of the socket means that the lab is gone: every descendant is killed.
"""

import array
import fcntl
import json
import os
import select
import signal
import socket
import sys
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fence
import worker

del sys.path[0]

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Warden:
    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.nursery_pid = 0
        self.nursery: socket.socket | None = None
        self.wake: tuple[int, ...] = ()
        self.listener = self.waiting_for_listener = -1
        self.forks = 0
        self.clean: dict[str, str] = {}
        self.pending: list[int] = []  # descriptors of a run whose child has not come yet

    def serve(self) -> None:
        wake_read, wake_write = self.wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        while True:
            poll = select.poll()
            coming = self.nursery.fileno() if self.nursery and self.pending else -1
            for fd in (self.control.fileno(), wake_read, self.listener, self.waiting_for_listener, coming):
                if fd >= 0:
                    poll.register(fd, select.POLLIN)
            ready = dict(poll.poll())
            if wake_read in ready:
                os.read(wake_read, 4096)
                self.reap()
            if self.listener in ready:
                self.answer_fork(ready[self.listener])
            if self.waiting_for_listener in ready:
                self.take_listener()
            if coming in ready:
                self.hand_over()
            if self.control.fileno() in ready and not self.obey():
                return

    def obey(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self.control, 65536, 3)
        if not message:
            return False
        order = json.loads(message)
        if order["op"] == "load":
            self.start_nursery(fds)
        elif order["op"] == "usage":
            self.report(about="usage", cpu_s=cpu_seconds(self.nursery_pid), held=self.held())
        elif self.nursery is not None:
            self.run(self.nursery, fds)
        for fd in fds:
            os.close(fd)
        return True

    def start_nursery(self, fds: list[int]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.nursery_pid = os.fork()
        if self.nursery_pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            ours.close()
            self.control.close()
            for fd in self.wake:
                os.close(fd)
            worker.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            worker.nursery(theirs, *fds)
            os._exit(0)
        theirs.close()
        self.nursery = ours
        self.waiting_for_listener = ours.fileno() if worker.TREES is not None else -1

    # --- runs ------------------------------------------------------------------------------------

    def run(self, nursery: socket.socket, fds: list[int]) -> None:
        """Let the nursery fork one child, if nothing of earlier runs is left that could carry a message."""
        if held := self.held():
            self.report(about="refused", held=held)
            return
        self.forks = 1
        try:
            os.kill(self.nursery_pid, signal.SIGCONT)
            nursery.send(b"run")
        except OSError:
            return  # the nursery is dead: closing the descriptors tells the lab, its reason follows from wait4
        self.pending = [os.dup(fd) for fd in fds]

    def hand_over(self) -> None:
        """Give the run's descriptors to the child that asks for them, while the nursery stands still.

        The nursery runs the candidate's code: were it given them, it could serve the run itself and remember it.
        """
        assert self.nursery is not None
        fds, self.pending = self.pending, []
        try:
            if self.nursery.recv(16):  # else it is about to die
                os.kill(self.nursery_pid, signal.SIGSTOP)
                os.waitid(os.P_PID, self.nursery_pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                socket.send_fds(self.nursery, [b"go"], fds)
        except OSError:
            pass  # it is dead
        for fd in fds:
            os.close(fd)

    def held(self) -> str:
        """Return what the nursery has kept that two of its children could share, "" if nothing."""
        if self.listener < 0:
            return ""
        try:
            now = descriptors(self.nursery_pid)
        except OSError:
            return ""  # it is dead: its reason follows from wait4
        more = [f"{fd} ({link})" for fd, link in now.items() if self.clean.get(fd) != link]
        if more:
            return f"keeps open after loading: descriptor {', '.join(more)[:300]}"
        assert self.nursery is not None
        if select.select([self.nursery], [], [], 0)[0]:
            return "wrote to the socket of the lab"
        if unread(self.nursery):
            return "left the descriptors of an earlier run where the next one finds them"
        return ""

    def take_listener(self) -> None:
        """Take the descriptor that asks for forks, note what the nursery has open, and let it go on."""
        assert self.nursery is not None
        self.waiting_for_listener = -1
        message, fds, _, _ = socket.recv_fds(self.nursery, 16, 1)
        if not message:
            return  # it ended before it came to its fences
        (self.listener,) = fds
        ours = os.readlink(f"/proc/self/fd/{self.listener}")
        self.clean = {fd: link for fd, link in descriptors(self.nursery_pid).items() if link != ours}
        self.nursery.send(b"go")

    def answer_fork(self, event: int) -> None:
        if not event & select.POLLIN:  # nobody is left who could ask
            os.close(self.listener)
            self.listener = -1
            return

        def allowed(pid: int) -> bool:
            self.forks, left = self.forks - 1, self.forks
            return left > 0 and pid == self.nursery_pid

        fence.answer_fork(self.listener, allowed)

    # --- ends ------------------------------------------------------------------------------------

    def reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            who = "nursery" if pid == self.nursery_pid else "child"
            used = usage.ru_utime + usage.ru_stime
            if not self.report(about=who, status=status, cpu_s=used, peak_mib=usage.ru_maxrss / 1024):
                return

    def report(self, **what: object) -> bool:
        try:
            self.control.send(json.dumps(what).encode())
        except OSError:
            return False  # the lab is gone; the main loop sees it too
        return True


def unread(ours: socket.socket) -> int:
    """Return how much of what was sent has not been received."""
    size = array.array("i", [0])
    fcntl.ioctl(ours, termios.TIOCOUTQ, size)
    return size[0]


def descriptors(pid: int) -> dict[str, str]:
    """Return what a process has open: descriptor -> what it leads to; nothing once it is gone."""
    folder = f"/proc/{pid}/fd"
    found: dict[str, str] = {}
    try:
        listed = os.listdir(folder)
    except FileNotFoundError:
        return found
    for fd in listed:
        try:
            found[fd] = os.readlink(f"{folder}/{fd}")
        except FileNotFoundError:  # closed since it was listed
            pass
    return found


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
    """Serve on descriptor argv[1]; the trees that must stay readable follow."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the lab's to handle: it closes the socket
    worker.prctl(PR_SET_CHILD_SUBREAPER, 1)
    fenced, trees = sys.argv[2] == "fenced", sys.argv[3:]
    if fenced:
        if os.geteuid() == 0:
            fence.open_way(trees)
        fence.drop_root()
    worker.TREES = trees if fenced else None
    try:
        Warden(socket.socket(fileno=int(sys.argv[1]))).serve()
    finally:
        end_all()


if __name__ == "__main__":
    main()
