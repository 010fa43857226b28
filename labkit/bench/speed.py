"""How fast candidates are evaluated: what is not theirs, what a second worker and the cache are worth."""

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from labkit.adopt import BdRateRule, cannot_win
from labkit.bench.figure import Figure, figure, whole
from labkit.campaign import Campaign
from labkit.candidate import Candidate, read_candidate
from labkit.clip import Clip
from labkit.evaluate import PointShelf, Seats, evaluate
from labkit.footage.library import find_clips
from labkit.footage.synthetic import synthetic_clip
from labkit.notebook import run_generation
from labkit.propose.shelf import Shelf, read_recipe
from labkit.settings import ROOT, make_settings

_ROUNDS = 5
_BLOCKS = (
    ("entropy", "bands"), ("quantisation", "dead_zone"), ("transform", "dct16_8"), ("restoration", "wiener"),
    ("deblocking", "edges"), ("structure", "previous"),
)  # fmt: skip
"""What the candidates of one generation change; none of them compiles, which no second worker would speed up."""
_LONG_FRAMES = 66


def overhead() -> list[Figure]:
    """Evaluation of the intra DCT codec: wall time that is not the candidate's CPU time."""
    built_in = find_clips(["builtin"], 17)
    short, long = (synthetic_clip("photo_pan", 640, 360, frames) for frames in (17, _LONG_FRAMES))
    return [
        *_overhead(f"{len(built_in)} built-in clips of 17 frames", built_in),
        *_overhead("640x360, 17 frames", [short]),
        *_overhead(f"640x360, {_LONG_FRAMES} frames", [long]),
        figure("a generation with its notebook, all that is not its candidate's evaluation", "s", _of_generations()),
    ]


def _of_generations() -> list[float]:
    """Return the seconds of each generation of a small campaign that adopts nothing, less its evaluation's."""
    seconds = []
    values: dict[str, object] = {"clips": ["builtin"], "frames": 9, "anchors": [], "held_out": ["none"]}
    values |= {"candidates": 1, "cache": False, "early_stop": False, "rule": {"kind": "bd_rate", "min_gain_pct": 99}}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        with Campaign.start(run, make_settings(values, "benchmark")) as campaign:
            run_generation(run, 0)
            for number in range(1, _ROUNDS + 1):
                started = time.monotonic()
                run_generation(run, number)
                took = time.monotonic() - started
                (entry,) = campaign.recorded(number).entries
                seconds.append(took - (entry.evaluation.wall_s if entry.evaluation else 0))
    return seconds


def _overhead(what: str, clips: Sequence[Clip]) -> list[Figure]:
    runs = [whole(evaluate(_intra_dct(), clips)) for _ in range(_ROUNDS)]
    return [
        figure(f"evaluation of intra_dct, {what}, 4 QPs, wall", "s", [run.wall_s for run in runs]),
        figure("of which not the candidate's CPU time", "s", [run.wall_s - run.cpu_s for run in runs]),
        figure("the same as a share", "%", [100 * (1 - run.cpu_s / run.wall_s) for run in runs]),
    ]


def parallel() -> list[Figure]:
    """One generation's candidates, measured with one worker and with two: how much more gets done.

    What two processes that share nothing get done on this machine stands beside it: no lab can do more.
    """
    candidates, clips = _generation(), find_clips(["builtin"], 9)
    every = _by_workers(candidates, clips)
    alone = _by_workers(candidates[:1], clips)
    return [
        *(figure(f"{len(candidates)} candidates, {count} workers", "s", values) for count, values in every.items()),
        figure("throughput of 2 workers against 1, by pairs", "x", _ratios(every[1], every[2])),
        figure("the same for one candidate alone", "x", _ratios(alone[1], alone[2])),
        figure("two processes that only calculate against one: the machine's own limit", "x", _machine_limit()),
    ]


def _machine_limit() -> list[float]:
    """Return how much more two processes that share nothing get done than one."""
    ratios = []
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(_calculate, range(4)))  # both have started
        for _ in range(_ROUNDS):
            started = time.monotonic()
            pool.submit(_calculate, 0).result()
            alone = time.monotonic()
            list(pool.map(_calculate, range(2)))
            ratios.append(2 * (alone - started) / (time.monotonic() - alone))
    return ratios


def _calculate(_: int) -> None:
    """Keep a core busy for a second or so as codecs do: interpreted loops and sums over arrays."""
    field = np.random.default_rng(0).random((512, 512))
    for _ in range(10):
        np.abs(np.fft.rfft2(field)).sum()
        sum(number * number for number in range(1_000_000))


def _generation() -> list[Candidate]:
    """Return what a generation measures: the starting program with another building block each time."""
    return [_assembled([block]) for block in _BLOCKS]


def _assembled(blocks: Sequence[tuple[str, str]]) -> Candidate:
    """Return the starting program with these building blocks in place of its own."""
    shelf, recipe = Shelf(ROOT / "codecs" / "blocks"), read_recipe("")
    changes = {(change.what, change.after): change for change in shelf.changes(recipe)}
    return Candidate(shelf.assemble(shelf.apply(recipe, [changes[block] for block in blocks])))


def _by_workers(candidates: Sequence[Candidate], clips: Sequence[Clip]) -> dict[int, list[float]]:
    """Return seconds by the number of workers, measured in turns."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(_ROUNDS):
        for workers in (1, 2) if turn % 2 else (2, 1):
            seconds[workers].append(_generation_s(candidates, clips, workers))
    return seconds


def _ratios(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(ones, others, strict=True)]


def _generation_s(candidates: Sequence[Candidate], clips: Sequence[Clip], workers: int) -> float:
    """Measure all candidates as a campaign does: as many at once as there are workers, on shared seats."""
    seats = Seats(workers)
    started = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        for evaluation in pool.map(lambda candidate: evaluate(candidate, clips, seats=seats), candidates):
            whole(evaluation)
    return time.monotonic() - started


def cache() -> list[Figure]:
    """The same evaluation again, with the points of the first one on the shelf."""
    candidate, clips = _intra_dct(), find_clips(["builtin"], 17)
    off, first, again = [], [], []
    for _ in range(_ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            shelf = PointShelf(Path(folder))
            off.append(whole(evaluate(candidate, clips)).wall_s)
            first.append(whole(evaluate(candidate, clips, shelf=shelf)).wall_s)
            again.append(whole(evaluate(candidate, clips, shelf=shelf)).wall_s)
    return [
        figure("evaluation of intra_dct on 4 built-in clips at 4 QPs without a cache", "s", off),
        figure("with an empty one", "s", first),
        figure("again, nothing coded", "s", again),
        figure("how much faster, by pairs", "x", _ratios(off, again)),
    ]


def _intra_dct() -> Candidate:
    return read_candidate(ROOT / "codecs" / "intra_dct.py")


def early_stop() -> list[Figure]:
    """Candidates that cannot win any more: what stopping them costs against measuring them whole."""
    clips, rule = find_clips(["builtin"], 9), BdRateRule()
    champion = whole(evaluate(_assembled(_BLOCKS[:2]), clips))
    losers = [_intra_dct(), *_generation()[:2]]  # each lacks a building block that the champion has
    shares, points = [], []
    for _ in range(_ROUNDS):
        for candidate in losers:
            stopped = evaluate(candidate, clips, hopeless=lambda found: cannot_win(found, champion, rule))
            full = whole(evaluate(candidate, clips))
            shares.append(100 * stopped.cpu_s / full.cpu_s)
            points.append(100.0 * len(stopped.points) / len(full.points))
    return [
        figure("rate points of a hopeless candidate, stopped against whole", "%", points),
        figure("CPU seconds of its processes, loading included, stopped against whole", "%", shares),
    ]
