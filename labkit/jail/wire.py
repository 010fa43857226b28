"""The lab's end of one run's pipes: what goes to the child, what comes back, and when it is too late.

Nothing that comes back is believed before it was counted: a length is checked before it is read, and
a reply before its request, or bytes after the last reply, end the run.
"""

import contextlib
import fcntl
import os
import select
import struct
import threading
import time
import unicodedata
from typing import NoReturn

from labkit.candidate import FailureKind
from labkit.errors import JailError

_REPLY = struct.Struct("<cQ")
_LENGTH = struct.Struct("<Q")
_PIPE_BYTES = 1 << 20
_MAX_FAILURE_BYTES = 64 * 1024
_STOP_POLL_S = 0.2
_EARLY_S = 1.0


class Fault(Exception):  # noqa: N818  (never an error: it becomes a Failure)
    """Ends a run inside the jail package; becomes a Failure before it leaves it."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail


class Gone(Fault):
    """The child closed its end without the reply; its exit status tells why."""

    def __init__(self) -> None:
        super().__init__(FailureKind.LEFT, "left without a reply")


class ReportedFault(Exception):  # noqa: N818
    """The child's own account of its failure, still as it was sent."""

    def __init__(self, body: bytes) -> None:
        super().__init__("reported by the candidate's process")
        self.body = body


def printable(text: str, limit: int = 4000) -> str:
    """Return `text` with control and direction characters escaped, cut to `limit` characters."""
    safe = "".join(c if c in "\n\t" or not _hidden(c) else repr(c)[1:-1] for c in text[: limit + 1])
    return safe if len(safe) <= limit else safe[:limit] + " ... (cut)"


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


class Channel:
    """Request, reply and output of one run, each a pipe of its own.

    Args:
        stop: when it is set, whoever waits leaves with a JailError: the lab itself wants to end.

    Attributes:
        deadline: by time.monotonic(); every call that waits ends there with a Fault.
        output: what the child has printed so far, at most `keep_bytes` of it.
    """

    def __init__(self, keep_bytes: int, budget_s: float, stop: threading.Event) -> None:
        self.budget_s = budget_s
        self._stop = stop
        self.deadline = time.monotonic() + budget_s
        self.output = bytearray()
        self._keep_bytes = keep_bytes
        child_request, self._request = os.pipe2(os.O_CLOEXEC)
        self._reply, child_reply = os.pipe2(os.O_CLOEXEC)
        self._output, child_output = os.pipe2(os.O_CLOEXEC)
        self.child_fds = [child_request, child_reply, child_output]
        self._open = {self._request, self._reply, self._output, *self.child_fds}
        for fd in (self._request, self._reply):
            with contextlib.suppress(OSError):  # the user's allowance of pipe pages may be used up: slower, no more
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        for fd in (self._request, self._reply, self._output):
            os.set_blocking(fd, False)

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, *error: object) -> None:
        self._close(*tuple(self._open))

    def handed_over(self) -> None:
        """Close our copies of the child's ends: only then does its end show as an end."""
        self._close(*self.child_fds)

    def close_request(self) -> None:
        """Tell the child that nothing more comes."""
        self._close(self._request)

    def _close(self, *fds: int) -> None:
        for fd in fds:
            if fd in self._open:
                self._open.remove(fd)
                os.close(fd)

    def send(self, *parts: bytes | memoryview) -> None:
        """Write all parts; a reply that is there before them is the child's fault."""
        if self._ready(self._reply, select.POLLIN):
            self._early_reply()
        for part in parts:
            view = memoryview(part).cast("B")
            while len(view):
                self._wait(self._request, select.POLLOUT)
                try:
                    view = view[os.write(self._request, view) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    return  # the child is gone: what it left in the reply pipe, or its status, tells why

    def _early_reply(self) -> NoReturn:
        """End the run for a reply before its request: with the child's own words, if it reports a failure."""
        self.deadline = min(self.deadline, time.monotonic() + _EARLY_S)  # a reply that is cut would never end
        early = "a reply came before its request was sent, expected one after it"
        try:
            self.receive(b"", 0)
        except Gone:
            raise
        except Fault as fault:
            raise Fault(FailureKind.BROKE_PROTOCOL, early) from fault
        raise Fault(FailureKind.BROKE_PROTOCOL, early)

    def send_sized(self, data: bytes) -> None:
        """Write `data` with its length before it."""
        self.send(_LENGTH.pack(len(data)), data)

    def receive(self, kind: bytes, max_bytes: int) -> bytearray:
        """Return the body of the next reply, which must be of `kind` and at most `max_bytes` long.

        Raises:
            Fault: the child reports its failure (kind "X": the body is in `detail`), or breaks the protocol.
            Gone: the child's end was closed first.
        """
        got, size = _REPLY.unpack(self._read(_REPLY.size))
        if got == b"X" and size <= _MAX_FAILURE_BYTES:
            raise ReportedFault(bytes(self._read(size)))
        if got != kind:
            raise Fault(FailureKind.BROKE_PROTOCOL, f"a reply of kind {got!r} came, expected {kind!r}")
        if size > max_bytes:
            raise Fault(FailureKind.TOO_LARGE, f"a reply of {size:,} bytes came, limit {max_bytes:,} bytes")
        return self._read(size)

    def finish(self) -> None:
        """Wait for the end of the child's replies and output.

        Raises:
            Fault: more bytes came after the last reply.
        """
        self.close_request()
        self._wait(self._reply, select.POLLIN)
        if extra := os.read(self._reply, 4096):
            raise Fault(FailureKind.BROKE_PROTOCOL, f"{len(extra)} or more bytes came after the last reply, expected 0")
        self.drain()

    def drain(self) -> None:
        """Take what lies in the output pipe; keep the first part, drop the rest."""
        while self._output in self._open:
            try:
                data = os.read(self._output, 65536)
            except BlockingIOError:
                return
            if not data:
                self._close(self._output)
            self.output += data[: self._keep_bytes - len(self.output)]

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        view, done = memoryview(data), 0
        while done < size:
            self._wait(self._reply, select.POLLIN)
            try:
                got = os.readv(self._reply, [view[done:]])
            except BlockingIOError:
                continue
            if got == 0:
                raise Gone
            done += got
        return data

    def _wait(self, fd: int, event: int) -> None:
        """Wait until `fd` is ready, taking output meanwhile, so that a child that prints does not block."""
        while True:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise Fault(FailureKind.TIMED_OUT, f"no reply by our clock, limit {self.budget_s:.1f} s")
            poll = select.poll()
            poll.register(fd, event)
            if self._output in self._open:
                poll.register(self._output, select.POLLIN)
            ready = {got for got, _ in poll.poll(1000 * min(left, _STOP_POLL_S))}
            if self._stop.is_set():
                raise JailError("interrupted by the lab")
            if self._output in ready:
                self.drain()
            if fd in ready:
                return

    @staticmethod
    def _ready(fd: int, event: int) -> bool:
        poll = select.poll()
        poll.register(fd, event)
        return any(events & event for _, events in poll.poll(0))
