"""Stress a would-be adoption: short clips, an odd size, black, noise, a scene cut and a QP that was not asked for."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from labkit.candidate import Candidate, Check, Failure
from labkit.clip import Clip, frame_bytes, split_planes
from labkit.evaluate.measure import measure
from labkit.footage import synthetic_clip
from labkit.jail import Limits, Nursery, Wall
from labkit.rd import RDPoint

KIND = "robustness"

_WIDTH, _HEIGHT = 96, 64
_ODD_WIDTH, _ODD_HEIGHT = 119, 71
"""As a file may have them; its last row and column are cut off at import, and 118x70 is no multiple of 4."""
_CUT_FRAMES, _NOISE_FRAMES, _SEED = 8, 3, 5
_WORSE_DB, _WORSE_BYTES = 1.0, 1.1
"""What a QP between two others may lose against the worse of them: no curve is quite smooth on two frames."""


def stress_clips(clip: Clip) -> list[Clip]:
    """Return small clips that ask for what an ordinary one does not.

    Args:
        clip: its middle is what is to be seen in the short ones and the odd one; of any size.
    """
    short = _cropped(clip.head(2), min(clip.width, _WIDTH), min(clip.height, _HEIGHT))
    return [
        replace(short, name="2 frames"),
        replace(short.head(1), name="1 frame"),
        _odd(clip),
        _black(),
        _noise(),
        replace(synthetic_clip("scene_cut", _WIDTH, _HEIGHT, _CUT_FRAMES), name="scene cut"),
    ]


def robust(
    candidate: Candidate,
    clip: Clip,
    qps: Sequence[int],
    limits: Limits,
    wall: Wall,
    stop: threading.Event | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
    started: Nursery | None = None,
) -> Check:
    """Return whether `candidate` codes every stress clip at the middle QP; the first failure ends it.

    Quality is not judged there: the detail tells it for people. It is where a QP between two of `qps` needs more
    bytes, or shows less, than both of them: then only the QPs that were measured are coded well.

    Args:
        qps: those that the candidate is measured at, rising.
        started: a nursery of the candidate; None to start one.

    Raises:
        JailError: the wall cannot be raised, or `stop` was set.
    """
    began = time.monotonic()
    clips, qp = stress_clips(clip), qps[len(qps) // 2]
    points: list[RDPoint] = []
    progress(0, len(clips), "loading for the stress clips")
    with nullcontext(started) if started else Nursery(candidate, limits, wall.level, stop=stop) as nursery:
        failure = nursery.failure
        for stress in clips if failure is None else ():
            progress(len(points), len(clips), f"stress clip: {stress.name}")
            outcome = measure(nursery, stress, qp, None)
            if isinstance(outcome, Failure):
                failure = outcome
                break
            points.append(outcome)
        between: Failure | str = "" if failure else _between(nursery, clips[0], qps)
        failure = between if isinstance(between, Failure) else failure
        passed = not between and failure is None
        progress(len(clips), len(clips), "robust" if passed else "failed")
        detail = _in_words(points, qp) if passed else str(failure or between)
        return Check(KIND, passed, detail, failure, time.monotonic() - began, nursery.cpu_s)


def _between(nursery: Nursery, clip: Clip, qps: Sequence[int]) -> Failure | str:
    """Return what goes wrong at a QP that is not in `qps` and lies between two that are; "" where nothing does."""
    pair = next(((low, high) for low, high in pairwise(qps) if high - low > 1), None)
    if pair is None:  # they are neighbours all
        return ""
    points = []
    for qp in (*pair, sum(pair) // 2):
        outcome = measure(nursery, clip, qp, None)
        if isinstance(outcome, Failure):
            return outcome
        points.append(outcome)
    *known, point = points
    if point.bytes <= _WORSE_BYTES * max(p.bytes for p in known) and (
        point.psnr_db >= min(p.psnr_db for p in known) - _WORSE_DB
    ):
        return ""
    told = " and ".join(_point_in_words(p) for p in known)
    return (
        f"QP {point.qp} is coded worse than both its neighbours ({clip.name}): {_point_in_words(point)}, beside {told}"
    )


def _point_in_words(point: RDPoint) -> str:
    return f"{point.bytes:,} bytes {point.psnr_db:.1f} dB at QP {point.qp}"


def _in_words(points: list[RDPoint], qp: int) -> str:
    shown = ", ".join(f"{point.clip} {point.bytes:,} bytes {point.psnr_db:.1f} dB" for point in points)
    return f"{len(points)} stress clips coded at QP {qp}: {shown}"


def _odd(clip: Clip) -> Clip:
    """Return what is left of an odd-sized clip: both sides even, neither a multiple of 4."""
    width, height = _odd_side(clip.width, _ODD_WIDTH), _odd_side(clip.height, _ODD_HEIGHT)
    note = f"cropped {width + 1}x{height + 1} to {width}x{height}"
    return replace(_cropped(clip.head(3), width, height), name="odd size", notes=(note,))


def _odd_side(side: int, most: int) -> int:
    cropped = min(side, most) // 2 * 2
    return cropped if cropped % 4 else cropped - 2


def _cropped(clip: Clip, width: int, height: int) -> Clip:
    """Return the middle of a clip, planes cut where their samples stay on one another."""
    left, top = (clip.width - width) // 4 * 2, (clip.height - height) // 4 * 2
    data = np.empty((len(clip), frame_bytes(width, height)), np.uint8)
    for index, row in enumerate(data):
        for target, plane, scale in zip(split_planes(row, width, height), clip.frame(index), (1, 2, 2), strict=True):
            rows, columns = target.shape
            target[:] = plane[top // scale :, left // scale :][:rows, :columns]
    return replace(clip, data=data, width=width, height=height, notes=())


def _black() -> Clip:
    """Return two frames of video black, then two without any light, where even a mean is no divisor."""
    data = np.full((4, frame_bytes(_WIDTH, _HEIGHT)), 128, np.uint8)
    data[:2, : _WIDTH * _HEIGHT], data[2:, : _WIDTH * _HEIGHT] = 16, 0
    return _made("black", data)


def _noise() -> Clip:
    """Return samples that no codec can foretell, over the whole range."""
    size = (_NOISE_FRAMES, frame_bytes(_WIDTH, _HEIGHT))
    return _made("noise", np.random.default_rng(_SEED).integers(0, 256, size, dtype=np.uint8))


def _made(name: str, data: NDArray[np.uint8]) -> Clip:
    return Clip(name, data, _WIDTH, _HEIGHT, Fraction(25), origin=f"made to stress: {name}")
