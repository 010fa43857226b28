"""Work shared out among threads: an exception in one ends the others."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TypeVar

_Worker = TypeVar("_Worker")
_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")


class Ending(threading.Event):
    """Set when one of several threads broke, or when `outer` is set: then all of them end."""

    def __init__(self, outer: threading.Event) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        """Return whether to end."""
        return super().is_set() or self._outer.is_set()


def share_out(
    work: Callable[[_Worker, _Item], _Outcome],
    items: Sequence[_Item],
    workers: Sequence[_Worker],
    last: Callable[[_Outcome], bool],
    ending: Ending,
) -> list[_Outcome]:
    """Let each worker, in a thread of its own, take the next item until none is left; return what came of them.

    Items are taken in order and each that is taken is finished: the outcomes are those of the first items.

    Args:
        last: whether no further item shall be taken once this has come out.
        ending: set here when a thread raises; the others are expected to look at it.

    Raises:
        whatever `work` raised first.
    """
    outcomes: dict[int, _Outcome] = {}
    waiting = deque(enumerate(items))

    def run(worker: _Worker) -> None:
        while waiting:
            try:
                index, item = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            outcomes[index] = work(worker, item)
            if last(outcomes[index]):
                waiting.clear()

    if len(workers) == 1 or len(items) == 1:
        run(workers[0])
    elif items:
        _in_threads(run, workers, ending)
    return [outcomes[index] for index in range(len(outcomes))]


def _in_threads(run: Callable[[_Worker], None], workers: Sequence[_Worker], ending: Ending) -> None:
    with ThreadPoolExecutor(len(workers)) as pool:
        try:
            running: set[Future[None]] = {pool.submit(run, worker) for worker in workers}
            while running:  # a short wait each time: Ctrl-C is not kept waiting
                done, running = wait(running, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        except BaseException:
            ending.set()
            raise
