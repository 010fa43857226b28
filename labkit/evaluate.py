"""Measure a candidate: check its text, load it behind the wall, code every clip at every QP, score here.

Encode, decode and score are three processes. A candidate that fails anywhere has no rate point at all:
there is no code path by which another codec's number could stand in its row.
"""

import dataclasses
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from labkit.candidate import Candidate, Evaluation, Failure, FailureKind, Stage
from labkit.clip import Clip, Frame
from labkit.container import Container
from labkit.errors import LabkitError
from labkit.footage.y4m import y4m_writer
from labkit.jail import Coded, Limits, Nursery, Wall, choose
from labkit.metrics import Distortion, Quality
from labkit.policy import check
from labkit.rd import QPS, RDPoint, rate_kbps

SMOKE_FRAMES = 3

Progress = Callable[[int, int, str], None]
"""Called with rate points done, rate points in all, and what is being done."""


@dataclasses.dataclass(frozen=True)
class Keep:
    """What an evaluation leaves in a folder: containers always, decoded video and pictures if asked.

    Attributes:
        folder: made if missing; files are named CLIP-qpNN.lkv, .y4m and .npz.
        y4m: keep every decoded frame.
        picture_qp: keep the middle frame decoded at this QP, planes y, u, v in a .npz, for showing.
    """

    folder: Path
    y4m: bool = False
    picture_qp: int | None = None

    def path(self, clip: str, qp: int, suffix: str) -> Path:
        """Return the file for one rate point; a clip may be called anything."""
        name = re.sub(r"[^\w.+-]", "_", clip)
        return self.folder / f"{name}-qp{qp:02d}{suffix}"


def evaluate(
    candidate: Candidate,
    clips: Sequence[Clip],
    qps: Sequence[int] = QPS,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    keep: Keep | None = None,
    progress: Progress = lambda done, total, what: None,
    stop: threading.Event | None = None,
    wall: Wall | None = None,
) -> Evaluation:
    """Return all rate points of `candidate`, or the failure that ended it.

    Args:
        clips: at least one, with different names.
        qps: at least one; four or more make a curve.
        limits: what the candidate may use.
        stop: set by another thread to give up at once.
        wall: what the candidate runs behind; None for the strongest of this machine, not probed.

    Raises:
        JailError: the wall cannot be raised, or `stop` was set.
    """
    if not clips or not qps or len({clip.name for clip in clips}) < len(clips):
        raise ValueError(f"needs clips of different names and QPs, got {[c.name for c in clips]} and {list(qps)}")
    wall = wall or Wall(choose())
    started = time.monotonic()
    total = len(clips) * len(qps)
    progress(0, total, "checking the source")
    if failure := refused(candidate):
        return Evaluation(candidate.hash, str(wall), failure=failure, wall_s=time.monotonic() - started)
    progress(0, total, "loading behind the wall")
    with Nursery(candidate, limits, wall.level, stop=stop) as nursery:
        outcome = nursery.failure or _measure_all(nursery, clips, qps, keep, progress)
        points, failure = ((), outcome) if isinstance(outcome, Failure) else (outcome, None)
        return Evaluation(
            candidate.hash, str(wall), points, failure, time.monotonic() - started,
            nursery.cpu_s, nursery.warmed, nursery.output,
        )  # fmt: skip


def try_out(
    candidate: Candidate, clip: Clip, qp: int, limits: Limits, wall: Wall, stop: threading.Event | None = None
) -> Failure | None:
    """Return what a first look finds wrong: the check, loading, and a few frames at one QP; None if it is nothing."""
    if failure := refused(candidate):
        return failure
    with Nursery(candidate, limits, wall.level, stop=stop) as nursery:
        outcome = nursery.failure or measure(nursery, clip.head(SMOKE_FRAMES), qp, None)
    return outcome if isinstance(outcome, Failure) else None


def refused(candidate: Candidate) -> Failure | None:
    """Return the static check's findings as a failure; None if there are none. Feedback, not the wall."""
    findings = check(candidate.source)
    if not findings:
        return None
    return Failure(Stage.CHECK, FailureKind.REFUSED, "\n".join(map(str, findings)), line=findings[0].line or None)


def _measure_all(
    nursery: Nursery, clips: Sequence[Clip], qps: Sequence[int], keep: Keep | None, progress: Progress
) -> tuple[RDPoint, ...] | Failure:
    total = len(clips) * len(qps)
    progress(0, total, "smoke run")
    smoke = measure(nursery, clips[0].head(SMOKE_FRAMES), max(qps), None)  # seconds tell, where a clip takes minutes
    if isinstance(smoke, Failure):
        return smoke
    points: list[RDPoint] = []
    for clip in clips:
        for qp in qps:
            progress(len(points), total, f"{clip.name} QP {qp}")
            point = measure(nursery, clip, qp, keep)
            if isinstance(point, Failure):
                return point
            points.append(point)
    progress(total, total, "measured")
    return tuple(points)


def measure(nursery: Nursery, clip: Clip, qp: int, keep: Keep | None) -> RDPoint | Failure:
    """Return one rate point: encode in one process, decode in another, score in this one."""
    coded = nursery.encode(clip, qp)
    if isinstance(coded, Failure):
        return coded
    # what the decoder gets is what the file holds, and nothing that the encoder's run left over
    container = Container.parse(coded.container.data)
    distortion = Distortion(clip.width, clip.height)
    try:
        with _kept(keep, clip, qp, container) as keep_frame:

            def score(index: int, frame: Frame) -> None:
                distortion.add(clip.frame(index), frame)
                keep_frame(index, frame)

            decoded = nursery.decode(container, score, clip.name)
            if isinstance(decoded, Failure):
                raise _DecodeFailed(decoded)
    except _DecodeFailed as failed:
        return failed.failure
    return dataclasses.replace(
        _point(nursery.candidate, clip, coded, distortion.result()),
        decode_s=decoded.seconds,
        decode_cpu_s=decoded.usage.cpu_s,
        peak_mib=max(coded.usage.peak_mib, decoded.usage.peak_mib),
    )


def _point(candidate: Candidate, clip: Clip, coded: Coded, quality: Quality) -> RDPoint:
    container = coded.container
    size = len(container.data)
    return RDPoint(
        clip=clip.name,
        clip_hash=clip.hash,
        qp=container.qp,
        bytes=size,
        rate_kbps=rate_kbps(size, len(clip), float(clip.fps)),
        **dataclasses.asdict(quality),
        encode_s=coded.seconds,
        decode_s=0.0,
        candidate=candidate.hash,
        bitstream_sha256=container.sha256,
        encode_cpu_s=coded.usage.cpu_s,
        raw_bytes=clip.data.nbytes,
        frame_bytes=tuple(map(len, container.payloads)),
        reported=coded.reported,
    )


class _DecodeFailed(Exception):  # noqa: N818  (never leaves this module)
    """Unwinds what was being kept, so that half a video does not look like a whole one."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


@contextmanager
def _kept(keep: Keep | None, clip: Clip, qp: int, container: Container) -> Iterator[Callable[[int, Frame], None]]:
    """Keep the container now; give a function that keeps what is asked for of each decoded frame."""
    if keep is None:
        yield lambda index, frame: None
        return
    with ExitStack() as files:
        try:
            keep.folder.mkdir(parents=True, exist_ok=True)
            keep.path(clip.name, qp, ".lkv").write_bytes(container.data)
            path = keep.path(clip.name, qp, ".y4m")
            add = files.enter_context(y4m_writer(path, clip.width, clip.height, clip.fps)) if keep.y4m else None

            def keep_frame(index: int, frame: Frame) -> None:
                if add is not None:
                    add(frame)
                if keep.picture_qp == qp and index == len(clip) // 2:
                    y, u, v = frame
                    np.savez_compressed(keep.path(clip.name, qp, ".npz"), y=y, u=u, v=v, index=index)

            yield keep_frame
        except OSError as error:
            reason = f"cannot keep files in {keep.folder}: {error.strerror}; free space or name another folder"
            raise LabkitError(reason) from error


def decode(candidate: Candidate, container: Container, limits: Limits = Limits()) -> list[Frame] | Failure:  # noqa: B008
    """Decode a kept container with its candidate, behind the wall; for pictures and audits."""
    frames: list[Frame] = []
    with Nursery(candidate, limits) as nursery:
        outcome = nursery.failure or nursery.decode(container, lambda index, frame: frames.append(frame))
    return outcome if isinstance(outcome, Failure) else frames
