"""One evaluation under way: what is measured next, what came of it, and whether that ends it."""

from collections.abc import Callable, Iterator, Sequence

from labkit.candidate import Failure
from labkit.clip import Clip
from labkit.evaluate.crew import Check, Crew
from labkit.evaluate.measure import Keep, Measured
from labkit.evaluate.schedule import Job
from labkit.evaluate.shelf import Drawer
from labkit.rd import RDPoint

SMOKE_FRAMES = 3

Progress = Callable[[int, int, str], None]
"""Called with rate points done, rate points in all, and what is being done."""

Hopeless = Callable[[Sequence[RDPoint]], str]
"""Given the points so far, in order of measurement: the proof that going on is no use, "" if there is none."""


class Run:
    """Takes what came of the jobs in their order, however many were measured at once.

    Attributes:
        points: so far, in order.
        failure: of loading, of the smoke run, or of the first job in order that has one.
        proof: why going on was no use; "" if it went on.
        cached: how many of the points were found in the drawer.
    """

    def __init__(
        self, jobs: Sequence[Job], keep: Keep | None, progress: Progress, hopeless: Hopeless | None,
        drawer: Drawer | None,
    ) -> None:  # fmt: skip
        self._jobs, self._keep, self._progress, self._hopeless, self._drawer = jobs, keep, progress, hopeless, drawer
        # decoded video is nowhere kept: to have it, everything is decoded again
        self._known = None if keep and keep.y4m else drawer
        self._encode_s, self._samples = 0.0, 0
        self.points: list[RDPoint] = []
        self.failure: Failure | None = None
        self.proof = ""
        self.cached = 0

    def report(self, what: str) -> None:
        """Tell how far it has come."""
        self._progress(len(self.points), len(self._jobs), what)

    def measure_all(self, crew: Crew, check: Check) -> None:
        """Take the jobs in order until all are taken, one has failed, or the rest is hopeless."""
        self.report("checking the source")
        if self._known:  # there may be nothing to load
            self.failure, check = check(), lambda: None
            self._recall_beginning()
        outcomes = self._outcomes(crew, check)
        while len(self.points) < len(self._jobs) and not (self.failure or self.proof):
            self._take(next(outcomes))
        if not self.failure:
            self.report("measured")

    def _take(self, outcome: RDPoint | Failure) -> None:
        if isinstance(outcome, Failure):
            self.failure = outcome
            return
        self.points.append(outcome)
        if self._hopeless and len(self.points) < len(self._jobs):
            self.proof = self._hopeless(tuple(self.points))

    def _outcomes(self, crew: Crew, check: Check) -> Iterator[RDPoint | Failure]:
        """Yield what comes of the jobs, in order: what was measured before, else wave by wave."""
        wave: list[int] = []
        measured: Iterator[Measured] = iter(())
        for place, job in enumerate(self._jobs):
            if place not in wave:
                if found := self._recalled(*job):
                    self.cached += not isinstance(found, Failure)
                    yield found
                    continue
                if not crew.nurseries and (failure := self._begin(crew, check)):
                    yield failure
                    return
                wave = self._next_wave(place, crew)
                jobs = [self._jobs[index] for index in wave]
                self.report(_told(jobs))
                measured = crew.wave(jobs, self._keep)
            one = next(measured)
            self._note(*job, one)
            yield one.outcome

    # --- what is measured now --------------------------------------------------------------------

    def _next_wave(self, place: int, crew: Crew) -> list[int]:
        """Return the places of the jobs that are measured next, beginning with `place`."""
        later = range(place + 1, len(self._jobs))
        missing = [place, *(one for one in later if not (self._known and self._known.holds(*self._jobs[one])))]
        left = sum(self._jobs[one][0].data.size for one in missing)
        return missing[: crew.fit(left * self._encode_s / max(1, self._samples), len(missing))]

    def _begin(self, crew: Crew, check: Check) -> Failure | None:
        """Load the candidate and try a few frames: seconds tell, where a clip takes minutes."""
        self.report("loading behind the wall")
        if failure := crew.load(check):
            self._note(None, None, Measured(failure))
            return failure
        self.report("smoke run")
        clip, qp = self._smoke()
        (smoke,) = crew.wave([(clip, qp)], None)
        if isinstance(smoke.outcome, Failure):
            self._note(clip, qp, smoke)
            return smoke.outcome
        self._count(clip, smoke.outcome)
        return None

    def _smoke(self) -> Job:
        clip, qp = self._jobs[0]
        return clip.head(SMOKE_FRAMES), qp

    def _note(self, clip: Clip | None, qp: int | None, measured: Measured) -> None:
        """Put what was measured into the drawer."""
        if clip and not isinstance(measured.outcome, Failure):
            self._count(clip, measured.outcome)
        if self._drawer:
            picture = self._keep.picture(clip.name, qp) if self._keep and clip and qp is not None else None
            self._drawer.put(clip, qp, measured, picture)

    def _count(self, clip: Clip, point: RDPoint) -> None:
        self._encode_s += point.encode_s
        self._samples += clip.data.size

    # --- what was measured before ----------------------------------------------------------------

    def _recall_beginning(self) -> None:
        """Find the failure of loading or of the smoke run, if there was one."""
        for beginning in ((None, None), self._smoke()):
            found = self._known.find(*beginning) if self._known and not self.failure else None
            if found and isinstance(found.measured.outcome, Failure):
                self.failure = found.measured.outcome

    def _recalled(self, clip: Clip, qp: int) -> RDPoint | Failure | None:
        """Return what came of a job before, and lay out its files as if it had been measured now."""
        found = self._known.find(clip, qp) if self._known else None
        if found is None:
            return None
        if self._keep:
            wanted = qp == self._keep.picture_qp and not found.measured.failed()
            if wanted and found.picture is None:
                return None
            self._keep.restore(clip.name, qp, found.measured.container, found.picture)
        return found.measured.outcome


def _told(jobs: Sequence[Job]) -> str:
    """Return jobs in words: "foreman QP 37, 22"."""
    by_clip: dict[str, list[str]] = {}
    for clip, qp in jobs:
        by_clip.setdefault(clip.name, []).append(str(qp))
    return "; ".join(f"{name} QP {', '.join(qps)}" for name, qps in by_clip.items())
