"""What is measured first, and how many processes may measure at once."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from labkit.clip import Clip
from labkit.errors import JailError

Job = tuple[Clip, int]
"""A clip and the QP at which it is coded: one rate point."""

_STOP_POLL_S = 0.2


def plan(clips: Sequence[Clip], qps: Sequence[int]) -> list[Job]:
    """Return each clip at each QP in order of measurement: what tells most for the least work comes first.

    Clips by rising number of samples, equal ones as given; of each the highest QP, the lowest, then the rest as given.
    """
    ordered = dict.fromkeys([max(qps), min(qps), *qps])
    return [(clip, qp) for clip in sorted(clips, key=lambda clip: clip.data.size) for qp in ordered]


class Seats:
    """How many nurseries may run at once, over all evaluations that share this; threads may share it.

    Each evaluation waits for one seat and holds it to its end. What is free besides goes to evaluations that
    can use more, as long as none waits for its first.

    Args:
        worth: a further nursery must save so many times the seconds of its loading; 0 to take every free seat.
    """

    def __init__(self, count: int, worth: float = 1.5) -> None:
        if count < 1:
            raise ValueError(f"{count} seats: an evaluation needs at least 1")
        self.worth = worth
        self._free = count
        self._waiting = 0
        self._changed = threading.Condition()

    @property
    def wanted(self) -> bool:
        """Whether an evaluation waits for its first seat."""
        return self._waiting > 0

    @contextmanager
    def seat(self, stop: threading.Event) -> Iterator[None]:
        """Hold a seat, however long it takes to get one.

        Raises:
            JailError: `stop` was set while it waited.
        """
        with self._changed:
            self._waiting += 1
            try:
                while not self._changed.wait_for(lambda: self._free > 0, _STOP_POLL_S):
                    if stop.is_set():
                        raise JailError("interrupted by the lab")
                self._free -= 1
            finally:
                self._waiting -= 1
        try:
            yield
        finally:
            self._give_back()

    def spare(self, held: ExitStack) -> bool:
        """Take a seat that is free and that nobody waits for; it is given back when `held` is closed."""
        with self._changed:
            if self._free < 1 or self.wanted:
                return False
            self._free -= 1
            held.callback(self._give_back)
            return True

    def _give_back(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify_all()
