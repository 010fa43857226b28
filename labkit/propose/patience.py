"""Asking again after trouble: pauses that a server asks for or that grow, and that end at once when told to stop."""

import threading
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential_jitter

from labkit.errors import ProposerStop
from labkit.propose.claude_settings import ClaudeSettings
from labkit.propose.exchange import Books
from labkit.propose.trouble import Trouble

T = TypeVar("T")

STOPPED = Trouble("stopped as asked", retry=False)


def patiently(attempt: Callable[[], T | Trouble], settings: ClaudeSettings, books: Books) -> T:
    """Return what `attempt` brings in the end.

    Raises:
        ProposerStop: no further attempt would help, enough were made, or the campaign is told to stop.
    """
    grows = wait_exponential_jitter(
        multiplier=settings.retry_first_s, max=settings.retry_max_s, jitter=settings.retry_first_s
    )

    def pause_s(state: RetryCallState) -> float:
        asked = _trouble(state).wait_s
        if asked is None or asked < settings.retry_first_s:  # "0" asks for no pause, and would use all attempts up
            return grows(state)
        return min(asked, threading.TIMEOUT_MAX)

    def say(state: RetryCallState) -> None:
        text = f"{_trouble(state).text}; asking again in {state.upcoming_sleep:,.1f} s"
        books.say(f"{text} (attempt {state.attempt_number + 1} of {settings.attempts})")

    def sleep(seconds: float) -> None:
        pause(seconds, books)

    retrying = Retrying(
        retry=retry_if_result(lambda result: isinstance(result, Trouble) and result.retry),
        wait=pause_s, sleep=sleep, stop=stop_after_attempt(settings.attempts), before_sleep=say,
        retry_error_callback=_trouble,
    )  # fmt: skip
    result = retrying(attempt)
    if not isinstance(result, Trouble):
        return result
    gave_up = f"; gave up after {settings.attempts} attempts, call again later" if result.retry else ""
    raise ProposerStop(result.text + gave_up)


def pause(seconds: float, books: Books) -> None:
    """Wait; a stop from outside or Ctrl-C ends it at once.

    Raises:
        ProposerStop: the campaign is told to stop.
    """
    if books.stop.wait(seconds):
        raise ProposerStop(STOPPED.text)


def _trouble(state: RetryCallState) -> Trouble:
    assert state.outcome is not None
    trouble = state.outcome.result()
    assert isinstance(trouble, Trouble)
    return trouble
