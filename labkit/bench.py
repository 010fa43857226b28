"""Benchmarks: medians of several runs, what is compared is measured side by side in one run."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

import numpy as np

from labkit.candidate import Candidate, Failure, read_candidate
from labkit.clip import Clip
from labkit.errors import LabkitError, SettingsError
from labkit.evaluate import evaluate
from labkit.footage.library import find_clips
from labkit.jail import Coded, Limits, Nursery
from labkit.settings import ROOT
from labkit.terminal import out

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


@dataclass(frozen=True)
class Figure:
    """One measured figure: the median of `runs`, with the smallest and the largest."""

    what: str
    unit: str
    median: float
    low: float
    high: float
    runs: int


def _figure(what: str, unit: str, values: list[float]) -> Figure:
    return Figure(what, unit, median(values), min(values), max(values), len(values))


def jail() -> list[Figure]:
    """Nursery: loading, request to first frame, throughput of the pipes."""
    figures = []
    clip = Clip("bench", np.zeros((60, 640 * 360 * 3 // 2), np.uint8), 640, 360, Fraction(25))
    for name, imports in (("numpy", ""), ("cv2", "import cv2"), ("torch", "import torch")):
        started = time.monotonic()
        with Nursery(Candidate(_TRIVIAL.format(imports=imports)), Limits(memory_mib=2048)) as nursery:
            if nursery.failure is not None:
                out.print(f"{name}: left out: {nursery.failure.detail.splitlines()[0]}", markup=False)
                continue
            figures.append(_figure(f"start of a nursery with {name}", "ms", [1000 * (time.monotonic() - started)]))
            first = [_timed(nursery, clip.head(1)) for _ in range(15)]
            figures.append(_figure(f"request to first frame, {name}", "ms", first))
            many = [_timed(nursery, clip) for _ in range(7)]
            figures.append(_figure(f"60 frames of 640x360, encode side, {name}", "ms", many))
    return figures


def _timed(nursery: Nursery, clip: Clip) -> float:
    started = time.monotonic()
    _coded(nursery, clip)
    return 1000 * (time.monotonic() - started)


def _coded(nursery: Nursery, clip: Clip) -> Coded:
    coded = nursery.encode(clip, 32)
    if isinstance(coded, Failure):
        raise LabkitError(f"the benchmark's own codec failed: {coded}")
    return coded


def overhead() -> list[Figure]:
    """Evaluation of the intra DCT codec: wall time that is not the candidate's CPU time."""
    candidate = read_candidate(ROOT / "codecs" / "intra_dct.py")
    clips = find_clips(["builtin"], 17)
    walls, shares, seconds = [], [], []
    for _ in range(5):
        evaluation = evaluate(candidate, clips)
        if evaluation.failure:
            raise LabkitError(f"the benchmark's own codec failed: {evaluation.failure}")
        walls.append(evaluation.wall_s)
        seconds.append(evaluation.wall_s - evaluation.cpu_s)
        shares.append(100 * (1 - evaluation.cpu_s / evaluation.wall_s))
    return [
        _figure(f"evaluation of intra_dct on {len(clips)} built-in clips at 4 QPs, wall", "s", walls),
        _figure("of which not the candidate's CPU time", "s", seconds),
        _figure("the same as a share", "%", shares),
    ]


BENCHMARKS: Mapping[str, Callable[[], list[Figure]]] = {"jail": jail, "overhead": overhead}


def run(name: str | None, as_json: bool) -> int:
    """Run one benchmark and print its figures; without a name, list them.

    Raises:
        SettingsError: there is none of this name.
    """
    if name is None:
        for known, function in BENCHMARKS.items():
            out.print(f"{known}: {(function.__doc__ or '').strip()}", markup=False)
        return 0
    if name not in BENCHMARKS:
        raise SettingsError(f"no benchmark {name!r}; known are {', '.join(BENCHMARKS)}")
    figures = BENCHMARKS[name]()
    if as_json:
        print(json.dumps([vars(figure) for figure in figures], indent=2))
    for figure in () if as_json else figures:
        spread = f"{figure.low:.2f}-{figure.high:.2f}, {figure.runs} runs"
        out.print(f"{figure.what}: {figure.median:.2f} {figure.unit} (median; {spread})", markup=False)
    return 0
