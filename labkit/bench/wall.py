"""What the wall costs."""

import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from labkit.bench.figure import Figure, figure, whole
from labkit.candidate import Candidate, Failure, read_candidate
from labkit.clip import Clip
from labkit.errors import LabkitError
from labkit.evaluate import evaluate
from labkit.footage.library import find_clips
from labkit.jail import Coded, Level, Limits, Nursery, Wall, available_levels
from labkit.jail.probe import probe
from labkit.rd import QPS
from labkit.settings import ROOT
from labkit.terminal import out

_TURNS = 12
_TRIVIAL = """
import numpy as np
{imports}
def compress_video_frame(frame, frame_index, config):
    return b"x"

def decompress_video_frame(data, frame_index, config):
    h, w = config["height"], config["width"]
    flat = np.zeros((h // 2, w // 2), np.uint8)
    return np.zeros((h, w), np.uint8), flat, flat
"""
_COMPILED = """
import numba
import numpy as np

@numba.njit
def total(plane):
    return plane.sum()

def compress_video_frame(frame, frame_index, config):
    before = len(total.signatures)
    total(frame[0])
    return bytes([before, len(total.signatures)])

def decompress_video_frame(data, frame_index, config):
    h, w = config["height"], config["width"]
    flat = np.zeros((h // 2, w // 2), np.uint8)
    return np.zeros((h, w), np.uint8), flat, flat
"""


def jail() -> list[Figure]:
    """The wall: first frame, throughput, compilations, probes, and what each level costs an evaluation."""
    return [*_nursery(), *_compilations(), *_levels()]


def _nursery() -> list[Figure]:
    figures = []
    clip = Clip("bench", np.zeros((60, 640 * 360 * 3 // 2), np.uint8), 640, 360, Fraction(25))
    for name, imports in (("numpy", ""), ("cv2", "import cv2"), ("torch", "import torch")):
        started = time.monotonic()
        with Nursery(Candidate(_TRIVIAL.format(imports=imports)), Limits(memory_mib=2048)) as nursery:
            if nursery.failure is not None:
                out.print(f"{name}: left out: {nursery.failure.detail.splitlines()[0]}", markup=False)
                continue
            figures.append(figure(f"start of a nursery with {name}", "ms", [1000 * (time.monotonic() - started)]))
            first = [_timed(nursery, clip.head(1)) for _ in range(15)]
            figures.append(figure(f"request to first frame, {name}", "ms", first))
            many = [_timed(nursery, clip) for _ in range(7)]
            figures.append(figure(f"60 frames of 640x360, encode side, {name}", "ms", many))
    return figures


def _timed(nursery: Nursery, clip: Clip) -> float:
    started = time.monotonic()
    _coded(nursery, clip)
    return 1000 * (time.monotonic() - started)


def _coded(nursery: Nursery, clip: Clip, qp: int = 32) -> Coded:
    coded = nursery.encode(clip, qp)
    if isinstance(coded, Failure):
        raise LabkitError(f"the benchmark's own codec failed: {coded}")
    return coded


def _compilations() -> list[Figure]:
    """Count what numba compiles in a nursery, and then in eight encodes and decodes of two clips."""
    clips = find_clips(["builtin:photo_pan", "builtin:screen_text"], 3)
    counts: list[list[float]] = [[], []]
    with Nursery(Candidate(_COMPILED), Limits(memory_mib=2048)) as nursery:
        for clip, qp in ((clip, qp) for clip in clips for qp in QPS):
            before, after = _coded(nursery, clip, qp).container.payloads[-1]
            counts[0].append(before)
            counts[1].append(after - before)
    return [figure("numba: compiled once, before any clip", "functions", counts[0]),
            figure(f"numba: compiled again in each of {len(counts[1])} runs", "functions", counts[1])]  # fmt: skip


def _levels() -> list[Figure]:
    """Evaluate the intra DCT codec behind each level and none, in turns."""
    candidate = read_candidate(ROOT / "codecs" / "intra_dct.py")
    clips = find_clips(["builtin"], 17)
    levels = (Level.NONE, *available_levels())
    walls: dict[Level, list[float]] = {level: [] for level in levels}
    for turn in range(_TURNS):
        for level in levels if turn % 2 else reversed(levels):
            walls[level].append(whole(evaluate(candidate, clips, wall=Wall(level))).wall_s)
    figures = [figure(f"evaluation of intra_dct, {level}", "s", values) for level, values in walls.items()]
    for level in levels[1:]:
        ratios = [100 * (one / none - 1) for one, none in zip(walls[level], walls[Level.NONE], strict=True)]
        figures.append(figure(f"{level} against none, by pairs", "%", ratios))
        figures.append(figure(f"probes and honest codec, {level}", "ms", [_seconds(probe, level) for _ in range(5)]))
    return figures


def _seconds(function: Callable[[Level], object], level: Level) -> float:
    started = time.monotonic()
    function(level)
    return 1000 * (time.monotonic() - started)
