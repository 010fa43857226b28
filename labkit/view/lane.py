"""Work that a notebook does not wait for: one piece after the other, in a thread that leaves when there is no more."""

import threading
from collections.abc import Callable

PATIENCE_S = 120.0
"""So long the thread waits for more."""


class Lane:
    """Does pieces of work that are named by a word; a word that waits already is not taken twice.

    Args:
        work: does one piece, in the lane's thread.
        rest: called there when nothing has come for `patience_s` seconds.
    """

    def __init__(
        self, work: Callable[[str], None], rest: Callable[[], None] = lambda: None, patience_s: float = PATIENCE_S
    ) -> None:
        self._work, self._rest, self._patience_s = work, rest, patience_s
        self._waiting: list[str] = []
        self._at_work = self._leaving = False
        self._news = threading.Condition()

    def put(self, word: str) -> None:
        """Have a piece of work done, after those that wait."""
        with self._news:
            if word not in self._waiting:
                self._waiting.append(word)
            self._leaving = False
            self._news.notify()
            if not self._at_work:
                self._at_work = True
                threading.Thread(target=self._run, daemon=True).start()  # a kernel that ends does not wait for it

    def clear(self) -> None:
        """Forget what is not begun."""
        with self._news:
            self._waiting.clear()

    def leave(self) -> None:
        """Rest as soon as nothing waits; more work may be put later."""
        with self._news:
            self._leaving = True
            self._news.notify()

    def _run(self) -> None:
        try:
            while (word := self._next()) is not None:
                self._work(word)
        except BaseException:
            with self._news:
                self._at_work = False  # what comes next is tried anew
            raise

    def _next(self) -> str | None:
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._leaving, self._patience_s)
            if self._waiting:
                return self._waiting.pop(0)
            self._rest()
            self._at_work = False
            return None
