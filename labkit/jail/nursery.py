"""One candidate behind the wall: load it once, then a fresh child for each encode and each decode."""

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from labkit.candidate import Candidate, Failure, FailureKind, Stage
from labkit.clip import Clip, Frame, frame_bytes, split_planes
from labkit.container import Container, Form
from labkit.errors import JailError
from labkit.jail.level import Level, choose, environment, warden_command
from labkit.jail.limits import Limits, wall_s
from labkit.jail.telling import REPORT_BYTES, loaded_report, printed, read_report, told
from labkit.jail.wire import Channel, Fault, Gone, ReportedFault, printable

import numpy as np  # isort: skip

_WARMUP = {"qp": 32, "width": 64, "height": 48, "fps": 25.0, "frame_count": 9}
_END_S = 20.0
"""How long a child may take to be reaped after its last byte, and a warden to end everything."""
_ORPHAN_S = 1.0
"""The same for a child whose nursery is dead."""


@dataclass(frozen=True)
class Usage:
    """What a process used: CPU seconds and peak MiB from wait4, its wait status."""

    cpu_s: float
    peak_mib: float
    status: int


@dataclass(frozen=True)
class Coded:
    """An encoder's result.

    Attributes:
        seconds: by our clock, from the first frame to the last payload.
        reported: where the encoder says that its bytes went; its own word and no more.
    """

    container: Container
    seconds: float
    usage: Usage
    reported: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Decoded:
    """That a decoder gave every frame, and what it took."""

    seconds: float
    usage: Usage


class Nursery:
    """A clean process that has loaded one candidate and never sees a clip. A context manager.

    `failure` is set when the candidate does not load; no run is possible then. Runs of one nursery
    never overlap: an encoder and a decoder of one candidate that run at once could talk.

    Args:
        level: the wall; None for the strongest of this machine.
        warm: run candidates that import numba once on a synthetic clip, so that they compile once.
        stop: when another thread sets it, a run ends at once with a JailError.
        check: asked while the processes start; a failure that it finds is the nursery's, and nothing is loaded.
    """

    def __init__(
        self,
        candidate: Candidate,
        limits: Limits,
        level: Level | None = None,
        warm: bool = True,
        stop: threading.Event | None = None,
        check: Callable[[], Failure | None] = lambda: None,
    ) -> None:
        self.candidate = candidate
        self.limits = limits
        self.level = level or choose()
        self.failure: Failure | None = None
        self.form = Form.FRAME
        self.warmed = False
        self.cpu_s = 0.0
        self.output = ""
        self._busy = threading.Lock()
        self._stop = stop or threading.Event()
        self._start(warm, check)

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    # --- starting and ending ---------------------------------------------------------------------

    def _start(self, warm: bool, check: Callable[[], Failure | None] = lambda: None) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close())
        with theirs:
            self._warden = subprocess.Popen(
                warden_command(self.level, theirs.fileno()), env=environment(), cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._errors,
                pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        try:
            self.failure = check()
            loaded = "refused" if self.failure else self._load(warm)
        except BaseException:
            self.close()
            raise
        if loaded == "tainted":  # compiled code froze something that the warm-up had changed: begin again without
            self.close()
            self._start(warm=False)

    def _load(self, warm: bool) -> str:
        order = {
            "source": self.candidate.source,
            "limits": {"memory_mib": self.limits.memory_mib, "load_cpu_s": self.limits.load_cpu_s},
            "warmup": _WARMUP if warm else None,
        }
        reply: dict[str, str] = {}

        def talk(channel: Channel) -> None:
            channel.send_sized(json.dumps(order).encode())
            reply.update(loaded_report(channel.receive(b"L", 4096)))

        outcome = self._run("load", Stage.LOAD, self.limits.load_cpu_s, talk)
        if isinstance(outcome, Failure):
            self.failure = outcome
            return "failed"
        try:
            self.cpu_s = self._account_of_load()
        except Fault as fault:
            self.failure = Failure(Stage.LOAD, fault.kind, printable(fault.detail))
            return "failed"
        self.form = Form[reply["form"]]
        self.warmed = reply["warmed"] == "warmed"
        return reply["warmed"]

    def _account_of_load(self) -> float:
        """Return the CPU seconds of loading, compiling and warming up, counted by the kernel, asked of the warden.

        Raises:
            Fault: the candidate has kept something open that its runs could share.
        """
        self._control.send(b'{"op": "usage"}')
        report = self._report("usage")
        if report["held"]:
            raise Fault(FailureKind.NO_CONTRACT, report["held"])
        return float(report["cpu_s"])

    def close(self) -> None:
        """End every process of this candidate; safe to call twice."""
        self._control.close()  # the warden sees the end and kills all below itself
        try:
            self._warden.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._warden.kill()
            self._warden.wait()
        with contextlib.suppress(ProcessLookupError):  # the usual case: nothing of the group is left
            os.killpg(self._warden.pid, signal.SIGKILL)
        self._errors.close()

    # --- running ---------------------------------------------------------------------------------

    def encode(self, clip: Clip, qp: int) -> Coded | Failure:
        """Return the clip coded at `qp` in a fresh child, or why there is nothing."""
        empty = Container.for_clip(clip, qp, self.form)
        budget = self.limits.run_cpu_s("encode", clip.width, clip.height, len(clip))
        payloads: list[bytes] = []
        took, reported = 0.0, b""

        def talk(channel: Channel) -> None:
            nonlocal took, reported
            channel.send_sized(json.dumps({"op": "encode", "config": empty.config, "cpu_s": budget}).encode())
            started = time.monotonic()
            for index in range(len(clip)):
                channel.send(np.ascontiguousarray(clip.data[index]).data)
                if self.form is Form.FRAME:
                    payloads.append(bytes(channel.receive(b"P", self._payload_limit(clip, 1))))
            if self.form is Form.CLIP:
                payloads.append(bytes(channel.receive(b"P", self._payload_limit(clip, len(clip)))))
            took = time.monotonic() - started
            reported = bytes(channel.receive(b"R", REPORT_BYTES))

        def frame() -> int | None:
            return len(payloads) if self.form is Form.FRAME else None

        usage = self._run("run", Stage.ENCODE, budget, talk, clip.name, qp, frame)
        if isinstance(usage, Failure):
            return usage
        return Coded(Container.for_clip(clip, qp, self.form, tuple(payloads)), took, usage, read_report(reported))

    def decode(self, container: Container, sink: Callable[[int, Frame], None], clip: str = "") -> Decoded | Failure:
        """Decode in a fresh child that gets the container's payloads and configuration, nothing else.

        Args:
            sink: called with the index and the planes of each frame, in order; the planes are its own. It runs in
                another thread, one frame at a time, while the child decodes the next one.
            clip: the clip's name, for a failure's text only.
        """
        width, height = container.width, container.height
        size = frame_bytes(width, height)
        frames = len(container.payloads) if self.form is Form.FRAME else container.frame_count
        budget = self.limits.run_cpu_s("decode", width, height, container.frame_count)
        done, took = 0, 0.0

        def frame_of(channel: Channel) -> Frame:
            body = channel.receive(b"F", size)
            if len(body) != size:
                raise Fault(FailureKind.WRONG_SHAPE, f"a frame of {len(body)} bytes came, expected {size}")
            return split_planes(np.frombuffer(body, np.uint8), width, height)

        def talk(channel: Channel) -> None:
            nonlocal done, took
            order = {"op": "decode", "config": container.config, "cpu_s": budget}
            channel.send_sized(json.dumps(order).encode())
            started = time.monotonic()
            channel.send_sized(container.payloads[0])
            for index in range(frames):
                planes = frame_of(channel)
                took += time.monotonic() - started
                done = index + 1
                behind.wait()  # before the next request: what the sink takes is not the decoder's time
                started = time.monotonic()
                for payload in container.payloads[done : done + 1]:
                    channel.send_sized(payload)
                behind.take(index, planes)

        def frame() -> int | None:
            return done if self.form is Form.FRAME else None

        with _Behind(sink) as behind:
            usage = self._run("run", Stage.DECODE, budget, talk, clip, container.qp, frame)
        return usage if isinstance(usage, Failure) else Decoded(took, usage)

    def _payload_limit(self, clip: Clip, frames: int) -> int:
        return self.limits.payload_bytes(clip.width, clip.height, frames)

    def _run(
        self,
        order: str,
        stage: Stage,
        budget_s: float,
        talk: Callable[[Channel], None],
        clip: str = "",
        qp: int | None = None,
        frame: Callable[[], int | None] = lambda: None,
    ) -> Usage | Failure:
        """Hand one run's pipes to the warden, talk, and account for the child's end."""
        if self.failure is not None:
            return self.failure
        with self._busy, Channel(self.limits.output_kib * 1024, wall_s(budget_s), self._stop) as channel:
            try:
                self._hand_over(order, channel)
                try:
                    talk(channel)
                    if order == "load":  # the nursery stays; its output pipe stays open with it
                        channel.drain()
                        return Usage(0.0, 0.0, 0)
                    channel.finish()
                    usage = self._ended("child")
                    if usage.cpu_s > math.ceil(budget_s):  # its own limit only warns, and can be raised
                        raise _too_much_cpu(usage, budget_s)
                except Gone as gone:
                    channel.drain()
                    raise self._why_gone(order, budget_s) from gone
            except (Fault, ReportedFault) as fault:
                channel.drain()
                self.failure = told(fault, self.candidate, stage, clip, qp, frame(), bytes(channel.output))
                return self.failure
            finally:
                self.output += printed(channel.output)[: 4000 - len(self.output)]
            self.cpu_s += usage.cpu_s
            return usage

    def _hand_over(self, order: str, channel: Channel) -> None:
        try:
            socket.send_fds(self._control, [json.dumps({"op": order}).encode()], channel.child_fds)
        except OSError as error:
            raise JailError(f"the warden process is gone: {self._warden_words()}") from error
        channel.handed_over()

    def _ended(self, who: str) -> Usage:
        """Return what wait4 said of the process that has just ended."""
        report = self._report(who)
        return Usage(report["cpu_s"], report["peak_mib"], report["status"])

    def _report(self, about: str) -> dict[str, Any]:
        """Return the warden's next report about "child", "nursery" or "usage"; pass over others."""
        patience_s = _END_S
        while True:
            self._control.settimeout(patience_s)
            try:
                message = self._control.recv(65536)
            except TimeoutError:
                raise Fault(FailureKind.BROKE_PROTOCOL, f"its process did not end within {patience_s:g} s") from None
            except ConnectionResetError:
                message = b""
            if not message:
                raise JailError(f"the warden process is gone: {self._warden_words()}")
            report: dict[str, Any] = json.loads(message)
            if report["about"] == "refused":
                raise Fault(FailureKind.NO_CONTRACT, report["held"])
            if report["about"] == about:
                return report
            if report["about"] == "nursery":  # it died: perhaps before there was a child
                patience_s = _ORPHAN_S

    def _why_gone(self, order: str, budget_s: float) -> Fault:
        usage = self._ended("nursery" if order == "load" else "child")
        if not os.WIFSIGNALED(usage.status):
            return Fault(FailureKind.LEFT, f"left with exit status {os.WEXITSTATUS(usage.status)}, expected a reply")
        number = os.WTERMSIG(usage.status)
        if number == signal.SIGXCPU:
            return _too_much_cpu(usage, budget_s)
        name = signal.Signals(number).name
        if number == signal.SIGKILL:
            return Fault(FailureKind.CRASHED, f"killed by {name} at {usage.peak_mib:.0f} MiB (the machine's memory?)")
        return Fault(FailureKind.CRASHED, f"ended by {name} after {usage.cpu_s:.1f} s of CPU")

    def _warden_words(self) -> str:
        self._errors.seek(0)
        text = self._errors.read().decode("utf-8", "replace").strip()
        return text.splitlines()[-1] if text else f"exit status {self._warden.poll()}"


class _Behind:
    """Gives frames to a sink in another thread, one at a time and in order. What the sink raises is raised here."""

    def __init__(self, sink: Callable[[int, Frame], None]) -> None:
        self._sink = sink
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> "_Behind":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._thread.shutdown()
        if kind is None:
            self.wait()

    def take(self, index: int, planes: Frame) -> None:
        """Hand a frame over; `wait` comes first, so that never more than two are held."""
        self._last = self._thread.submit(self._sink, index, planes)

    def wait(self) -> None:
        """Wait until the sink is done with the last frame."""
        if self._last is not None:
            self._last.result()


def _too_much_cpu(usage: Usage, budget_s: float) -> Fault:
    return Fault(FailureKind.TIMED_OUT, f"{usage.cpu_s:.1f} s of CPU used, limit {budget_s:.1f} s")
