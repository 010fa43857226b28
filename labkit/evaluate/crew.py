"""The nurseries of one candidate: as many as there are seats and work, and never anything beside a decoder."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

from labkit.candidate import Candidate, Failure
from labkit.evaluate.measure import Keep, Measured, score
from labkit.evaluate.schedule import Job, Seats
from labkit.evaluate.sharing import Ending, share_out
from labkit.jail import Coded, Level, Limits, Nursery

_JOBS_A_NURSERY = 2
"""In a wave: more would wait less for each other, but encode more in vain when the evaluation ends early."""
_OUTPUT_CHARS = 4000


Check = Callable[[], Failure | None]
"""Looks at the source while the processes start; on what it finds, nothing is loaded."""


@dataclass(frozen=True)
class _Member:
    """One nursery, and what is given back when it goes: its processes, then its seat."""

    nursery: Nursery
    held: ExitStack


class Crew:
    """The nurseries of one candidate. A context manager; the first starts with `load`, on the caller's seat.

    Work goes in waves: clips are encoded, by each nursery one at a time, and when all of them are done they are
    decoded, one after the other. Processes that run at once could talk through the machine: an encoder could
    tell a decoder the frames, a decoder of many bytes one of few what it sees, and either of them a nursery that
    is still loading. So beside a decoder nothing of its candidate runs, and nothing runs while one loads. Encoders
    may run at once: each knows its frames anyway.

    Args:
        seats: where further nurseries may sit.
        stop: set by another thread to give up at once.
    """

    def __init__(self, candidate: Candidate, limits: Limits, level: Level, seats: Seats, stop: threading.Event) -> None:
        self.candidate, self.limits, self.level = candidate, limits, level
        self._seats = seats
        self._ending = Ending(stop)
        self._members: list[_Member] = []
        self._gone: list[Nursery] = []
        self._load_s = 0.0
        self._may_grow = True

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        with ExitStack() as everything:
            for member in self._members:
                everything.callback(self._leave, member)

    # --- what it took ----------------------------------------------------------------------------

    @property
    def nurseries(self) -> list[Nursery]:
        """All that were started so far."""
        return [*self._gone, *(member.nursery for member in self._members)]

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all processes of the candidate so far."""
        return sum(nursery.cpu_s for nursery in self.nurseries)

    @property
    def warmed(self) -> bool:
        """Whether it was run once on a synthetic clip before the first encode."""
        return any(nursery.warmed for nursery in self.nurseries)

    @property
    def output(self) -> str:
        """What it printed, escaped and capped."""
        return "".join(nursery.output for nursery in self.nurseries)[:_OUTPUT_CHARS]

    # --- who is there ----------------------------------------------------------------------------

    def load(self, check: Check = lambda: None) -> Failure | None:
        """Start the first nursery; return what the check finds or why the candidate does not load, None if it does."""
        started = time.monotonic()
        self._start([ExitStack()], check)
        self._load_s = time.monotonic() - started
        return self._members[0].nursery.failure

    def fit(self, left_s: float, jobs: int) -> int:
        """Take and give back nurseries as what is left asks for; return how many of the next jobs make one wave.

        A seat that another evaluation waits for is given back; free ones are taken if what is left takes
        clearly longer than a nursery's loading.

        Args:
            left_s: what a single nursery would take to encode all jobs that are left.
            jobs: how many they are.
        """
        while len(self._members) > 1 and self._seats.wanted:
            self._leave(self._members[-1])
        with ExitStack() as undone:  # whatever is raised on the way: no seat is forgotten
            taken: list[ExitStack] = []
            while self._worth_another(len(self._members) + len(taken), left_s, jobs):
                held = undone.enter_context(ExitStack())
                if not self._seats.spare(held):
                    break
                taken.append(held)
            self._start(taken)
            undone.pop_all()
        count = len(self._members)
        return count if count == 1 else count * _JOBS_A_NURSERY

    def _worth_another(self, count: int, left_s: float, jobs: int) -> bool:
        saved_s = left_s / count - left_s / (count + 1)
        return self._may_grow and jobs > count and saved_s > self._seats.worth * self._load_s

    def _start(self, places: Sequence[ExitStack], check: Check = lambda: None) -> None:
        """Start a nursery in each place, at once; one that does not load where another did is none."""

        def start(_: int, held: ExitStack) -> _Member:
            nursery = Nursery(self.candidate, self.limits, self.level, stop=self._ending, check=check)
            held.callback(nursery.close)
            return _Member(nursery, held)

        first = not self._members
        self._members += share_out(start, places, range(len(places)), lambda member: False, self._ending)
        for member in [] if first else self._broken():
            self._leave(member)
            self._may_grow = False

    def _leave(self, member: _Member) -> None:
        self._members.remove(member)
        self._gone.append(member.nursery)
        member.held.close()

    def _broken(self) -> list[_Member]:
        return [member for member in self._members if member.nursery.failure is not None]

    def _at_work(self) -> list[Nursery]:
        """Return the nurseries that can run, at least one; one of which a run failed takes no other."""
        for member in self._broken():
            self._leave(member)
        if not self._members:
            self._start([ExitStack()])
        return [member.nursery for member in self._members]

    # --- work ------------------------------------------------------------------------------------

    def wave(self, jobs: Sequence[Job], keep: Keep | None) -> Iterator[Measured]:
        """Encode `jobs` at once, then yield what comes of each, in order; nothing follows a failure."""
        coded = share_out(_encode, jobs, self._at_work(), _failed, self._ending)
        for (clip, _), one in zip(jobs, coded, strict=False):
            measured = Measured(one) if isinstance(one, Failure) else score(self._at_work()[0], clip, one, keep)
            yield measured
            if measured.failed():
                return


def _encode(nursery: Nursery, job: Job) -> Coded | Failure:
    return nursery.encode(*job)


def _failed(outcome: Coded | Failure) -> bool:
    return isinstance(outcome, Failure)
