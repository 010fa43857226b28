"""Run the canaries: what has a known result must come out with it, and what cheats must not win.

They run as candidates do, past the static check, which is feedback and no wall. A canary that fails means
that the wall or the measuring is at fault, never the canary.
"""

import contextlib
import math
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labkit.candidate import Candidate, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.errors import CampaignError
from labkit.evaluate import Keep, measure
from labkit.jail import Limits, Nursery, Wall
from labkit.rd import RDPoint

PROGRAMS = Path(__file__).with_name("programs")
"""Candidates, read as text; never imported."""

QP = 32
_WIDTH, _HEIGHT, _FRAMES = 64, 48, 3
_HEADER_BYTES = 22
_RAW_BYTES = _WIDTH * _HEIGHT * 3 // 2
"""Of one frame; its length takes two bytes of LEB128."""
_LIMITS = Limits(encode_s=1.0, decode_s=1.0, run_s=5.0, load_cpu_s=30.0, memory_mib=512)

Measure = Callable[[Nursery, Clip, int, Keep | None], RDPoint | Failure]
"""How one rate point is made: `labkit.evaluate.measure`."""


@dataclass(frozen=True)
class Canary:
    """One program's result beside the one that it must have.

    Attributes:
        expected, came: in words and numbers.
        needs_fence: whether only the kernel's fences hold it; it wins where there is no wall.
    """

    name: str
    expected: str
    came: str
    passed: bool
    needs_fence: bool = False


def sing(
    wall: Wall,
    limits: Limits = _LIMITS,
    stop: threading.Event | None = None,
    measured: Measure = measure,
) -> list[Canary]:
    """Return how every canary came out behind `wall`; a wrong one raises nothing (`must_all_pass` does).

    Args:
        measured: how a rate point is made; another one for tests of the canaries themselves.

    Raises:
        JailError: the wall cannot be raised, or `stop` was set.
    """
    with _bait() as places, ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:

        def come_out(song: _Song) -> RDPoint | Failure:
            with Nursery(song.candidate(places), limits, wall.level, stop=stop) as nursery:
                return nursery.failure or measured(nursery, canary_clip(), QP, None)

        outcomes = list(pool.map(come_out, _SONGS))
    canaries = [song.judged(outcome) for song, outcome in zip(_SONGS, outcomes, strict=True)]
    return [*canaries, _all_differ(outcomes[: len(_KNOWN)])]


def must_all_pass(canaries: Sequence[Canary], fenced: bool = True) -> None:
    """Raise unless every canary passed.

    Args:
        fenced: whether a wall was asked for; without one, those that only a fence can hold may win.

    Raises:
        CampaignError: one line with each canary that failed, what came of it and what was expected.
    """
    failed = [canary for canary in canaries if not canary.passed and (fenced or not canary.needs_fence)]
    if failed:
        told = "; ".join(f"canary {c.name!r}: {c.came}; expected {c.expected}" for c in failed)
        raise CampaignError(f"{told}: the lab's figures cannot be believed here, nothing is run")


def canary_clip() -> Clip:
    """Return a small clip made of whole numbers: the same on every machine, no two frames or planes alike."""
    data = np.empty((_FRAMES, _RAW_BYTES), np.uint8)
    for time, row in enumerate(data):
        planes = ((_WIDTH, _HEIGHT, 0), (_WIDTH // 2, _HEIGHT // 2, 1), (_WIDTH // 2, _HEIGHT // 2, 2))
        row[:] = np.concatenate([_texture(width, height, time, number) for width, height, number in planes])
    return Clip("canary", data, _WIDTH, _HEIGHT, Fraction(25), origin="made of whole numbers for the canaries")


def _texture(width: int, height: int, time: int, number: int) -> NDArray[np.int64]:
    """Return rings that move, under a pattern too fine to be foretold; values from 40 to 199."""
    x, y = np.meshgrid(np.arange(width) + 3 * time, np.arange(height) + 17 * number)
    rings = (x * x + 2 * y * y) // 24 % 256
    fine = (x * 7919 + y * 104729 + x * y * 31) % 13
    values: NDArray[np.int64] = 40 + np.minimum(rings, 255 - rings) + fine * 2 + 4 * number
    return values.ravel()


# --- what they must come out with ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Figures:
    """A size and a PSNR, each with what it may be off."""

    bytes: int
    psnr_db: float
    bytes_off: int = 0
    db_off: float = 1e-6

    def met_by(self, outcome: RDPoint | Failure) -> bool:
        if isinstance(outcome, Failure) or abs(outcome.bytes - self.bytes) > self.bytes_off:
            return False
        return outcome.psnr_db == self.psnr_db or abs(outcome.psnr_db - self.psnr_db) <= self.db_off

    def __str__(self) -> str:
        off = f" (give or take {self.bytes_off} bytes, {self.db_off:g} dB)" if self.bytes_off else ""
        return _in_words(self.bytes, self.psnr_db) + off


@dataclass(frozen=True)
class _Refusal:
    """That a cheat has no figures at all."""

    stage: Stage
    kind: FailureKind

    def met_by(self, outcome: RDPoint | Failure) -> bool:
        return isinstance(outcome, Failure) and (outcome.stage, outcome.kind) == (self.stage, self.kind)

    def __str__(self) -> str:
        return f"a failure: {self.kind} ({self.stage})"


@dataclass(frozen=True)
class _Song:
    """One program of PROGRAMS and what must come of it."""

    name: str
    expected: _Figures | _Refusal
    needs_fence: bool = False

    def candidate(self, places: dict[str, str]) -> Candidate:
        source = (PROGRAMS / f"{self.name.replace(' ', '_')}.py").read_text(encoding="utf-8")
        for name, place in places.items():
            source = source.replace(f'{name} = ""', f"{name} = {place!r}")
        return Candidate(source, "canary")

    def judged(self, outcome: RDPoint | Failure) -> Canary:
        passed = self.expected.met_by(outcome)
        return Canary(self.name, str(self.expected), _told(outcome), passed, self.needs_fence)


def _flat_db(value: int) -> float:
    """Return the PSNR of a picture of one `value`: 10 log10(255² / mean squared distance from it)."""
    error = np.square(canary_clip().data.astype(np.int64) - value).mean()
    return 10 * math.log10(255**2 / float(error))


def _container_bytes(payload: int) -> int:
    """Return the size of a container whose frames have `payload` bytes each, by its specification."""
    return _HEADER_BYTES + _FRAMES * (payload + (1 if payload < 128 else 2))


_RAW = _Figures(_container_bytes(_RAW_BYTES), math.inf)
_GREY_DB = _flat_db(128)
_KNOWN = (
    _Song("raw copy", _RAW),
    # recorded on x86-64; a level that falls between two may be rounded the other way on another machine
    _Song("intra dct", _Figures(3712, 31.443, bytes_off=12, db_off=0.02)),
    _Song("grey", _Figures(_container_bytes(0), _GREY_DB)),
)
_CHEATS = (
    _Song("stash", _Figures(_container_bytes(1), _GREY_DB), needs_fence=True),
    _Song("clip from disk", _Figures(_container_bytes(1), _GREY_DB), needs_fence=True),
    _Song("forged reply", _Refusal(Stage.ENCODE, FailureKind.BROKE_PROTOCOL)),
    _Song("changed input", _Figures(_container_bytes(0), _flat_db(0))),
    _Song("lying report", _RAW),
    _Song("lying length", _Refusal(Stage.ENCODE, FailureKind.WRONG_TYPE)),
)
_SONGS = (*_KNOWN, *_CHEATS)
_DIFFER = "all differ"
CANARIES = (*(song.name for song in _SONGS), _DIFFER)
"""The names of all, in the order in which `sing` returns them."""


def _all_differ(outcomes: Sequence[RDPoint | Failure]) -> Canary:
    """Return the canary that the known programs differ from each other: a lab of one number is none."""
    points = [outcome for outcome in outcomes if isinstance(outcome, RDPoint)]
    sizes, qualities = {point.bytes for point in points}, {point.psnr_db for point in points}
    passed = len(sizes) == len(qualities) == len(outcomes)
    return Canary(_DIFFER, f"{len(outcomes)} different sizes and PSNRs", " | ".join(map(_told, outcomes)), passed)


def _told(outcome: RDPoint | Failure) -> str:
    if isinstance(outcome, RDPoint):
        return _in_words(outcome.bytes, outcome.psnr_db)
    return f"a failure: {outcome.kind} ({outcome.stage}): {outcome.detail.splitlines()[0]}"


def _in_words(size: int, psnr_db: float) -> str:
    return f"{size:,} bytes, lossless" if math.isinf(psnr_db) else f"{size:,} bytes, {psnr_db:.3f} dB"


@contextlib.contextmanager
def _bait() -> Iterator[dict[str, str]]:
    """Give what the cheats look for: the clip in a file that all may read, a folder that all may write to."""
    with tempfile.TemporaryDirectory(prefix="labkit-canaries-") as name:
        folder, stash = Path(name), Path(name) / "stash"
        stash.mkdir()
        folder.chmod(0o755)  # it is the wall that must hold, not the owner of the folder
        stash.chmod(0o777)
        clip_file = folder / "canary.yuv"
        clip_file.write_bytes(canary_clip().data.tobytes())
        clip_file.chmod(0o644)
        yield {"FOLDER": str(stash), "CLIP_FILE": str(clip_file)}
