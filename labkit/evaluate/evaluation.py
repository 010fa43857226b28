"""Measure a candidate: check its text, load it behind the wall, code every clip at every QP, score here.

Encode, decode and score are three processes. A candidate that fails anywhere has no rate point at all:
there is no code path by which another codec's number could stand in its row.
"""

import threading
import time
from collections.abc import Sequence

from labkit.candidate import Candidate, Evaluation, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.evaluate.crew import Crew
from labkit.evaluate.measure import Keep, measure
from labkit.evaluate.run import SMOKE_FRAMES, Hopeless, Progress, Run
from labkit.evaluate.schedule import Seats, plan
from labkit.evaluate.shelf import PointShelf
from labkit.jail import Limits, Nursery, Wall, choose
from labkit.policy import check
from labkit.rd import QPS, RDPoint


def evaluate(
    candidate: Candidate,
    clips: Sequence[Clip],
    qps: Sequence[int] = QPS,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    keep: Keep | None = None,
    progress: Progress = lambda done, total, what: None,
    stop: threading.Event | None = None,
    wall: Wall | None = None,
    hopeless: Hopeless | None = None,
    seats: Seats | None = None,
    shelf: PointShelf | None = None,
) -> Evaluation:
    """Return all rate points of `candidate`, or the failure that ended it.

    Points are measured in the order of `plan`, and the result does not depend on how many at once: it ends with
    the first point in that order that fails, or after which it is hopeless. They are returned by clip and QP as
    these were given.

    Args:
        clips: at least one, with different names.
        qps: at least one; four or more make a curve.
        limits: what the candidate may use.
        stop: set by another thread to give up at once.
        wall: what the candidate runs behind; None for the strongest of this machine, not probed.
        hopeless: asked after each point but the last; its proof ends the evaluation with the points so far.
        seats: shared with other evaluations: this one waits for a seat, and encodes on more where they are free;
            None for one of its own.
        shelf: where points lie that were measured before, and where new ones are put; None to measure all.

    Raises:
        JailError: the wall cannot be raised, or `stop` was set.
        LabkitError: files cannot be kept.
    """
    if not clips or not qps or len({clip.name for clip in clips}) < len(clips):
        raise ValueError(f"needs clips of different names and QPs, got {[c.name for c in clips]} and {list(qps)}")
    wall, stop = wall or Wall(choose()), stop or threading.Event()
    seats = seats or Seats(1)
    with seats.seat(stop):
        started = time.monotonic()
        drawer = shelf.drawer(candidate, limits, wall.level) if shelf else None
        run = Run(plan(clips, qps), keep, progress, hopeless, drawer)
        with Crew(candidate, limits, wall.level, seats, stop) as crew:
            run.measure_all(crew, lambda: refused(candidate))
            evaluation = Evaluation(
                candidate.hash, str(wall), () if run.failure else _as_asked(run.points, clips, qps), run.failure,
                time.monotonic() - started, crew.cpu_s, crew.warmed, crew.output,
                run.proof, 0 if run.failure else run.cached,
            )  # fmt: skip
    if shelf:
        shelf.tidy()
    return evaluation


def _as_asked(points: Sequence[RDPoint], clips: Sequence[Clip], qps: Sequence[int]) -> tuple[RDPoint, ...]:
    names = [clip.name for clip in clips]
    return tuple(sorted(points, key=lambda point: (names.index(point.clip), qps.index(point.qp))))


def try_out(
    candidate: Candidate, clip: Clip, qp: int, limits: Limits, wall: Wall, stop: threading.Event | None = None
) -> Failure | None:
    """Return what a first look finds wrong: the check, loading, and a few frames at one QP; None if it is nothing."""
    with Nursery(candidate, limits, wall.level, stop=stop, check=lambda: refused(candidate)) as nursery:
        outcome = nursery.failure or measure(nursery, clip.head(SMOKE_FRAMES), qp, None)
    return outcome if isinstance(outcome, Failure) else None


def refused(candidate: Candidate) -> Failure | None:
    """Return the static check's findings as a failure; None if there are none. Feedback, not the wall."""
    findings = check(candidate.source)
    if not findings:
        return None
    return Failure(Stage.CHECK, FailureKind.REFUSED, "\n".join(map(str, findings)), line=findings[0].line or None)
