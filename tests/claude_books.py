"""What the tests of Claude share: books that keep exchanges in a list, a question, settings for a test server."""

import os
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from claude_server import KEY

from labkit.errors import ProposerStop
from labkit.propose.claude_settings import ClaudeSettings
from labkit.propose.exchange import Exchange, Question
from labkit.propose.messages import Messages

_opened: list[Messages] = []


@pytest.fixture
def _only_our_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An environment in which the SDK finds the test's key and nothing of the user's, and no proxy in between.

    In the end, what `ask_at` opened is closed.
    """
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("HOME", str(tmp_path / "home-without-profiles"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    yield
    while _opened:
        _opened.pop().close()


@pytest.fixture
def books(tmp_path: Path) -> "Kept":
    return Kept(tmp_path / "journal.json")


@dataclass
class Kept:
    """Books in memory.

    Attributes:
        stop_when_told: stop soon after the first thing that is told, as somebody would who has read it.
    """

    journal: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    stop_when_told: bool = False

    def record(self, exchange: Exchange) -> None:
        self.exchanges.setdefault(exchange.id, exchange)

    def spent_usd(self) -> float:
        return sum(exchange.usd or 0.0 for exchange in self.exchanges.values())

    def say(self, text: str) -> None:
        self.said.append(text)
        if self.stop_when_told:
            threading.Timer(0.1, self.stop.set).start()

    @property
    def all(self) -> list[Exchange]:
        return list(self.exchanges.values())


def question(text: str = "Write a codec.", max_tokens: int = 4000, purpose: str = "code") -> Question:
    system = [{"type": "text", "text": "You write video codecs."}]
    return Question(purpose, system, [{"role": "user", "content": text}], max_tokens)


QUICK = ClaudeSettings(timeout_s=5.0, retry_first_s=0.01, retry_max_s=0.05, batch_poll_s=0.02, attempts=3)


def ask_at(url: str, budget_usd: float | None = None, settings: ClaudeSettings = QUICK) -> Messages:
    _opened.append(Messages(replace(settings, base_url=url), budget_usd))
    return _opened[-1]


def stopped(messages: Messages, books: Kept) -> str:
    """Ask in vain; return the one line that says why."""
    with pytest.raises(ProposerStop) as caught:
        messages.ask(question(), books)
    return the_line(caught.value)


def the_line(error: ProposerStop) -> str:
    """Return what a stop says: one line that drags nothing of the SDK's along."""
    assert "\n" not in str(error)
    assert error.__cause__ is error.__context__ is None
    return str(error)


def everything_of(error: BaseException) -> str:
    """Return all that a traceback could show from the test's call on: variables and hidden contexts included."""
    text, seen = "", [error]
    for each in seen:
        inner = each.__traceback__.tb_next if each is error and each.__traceback__ else each.__traceback__
        shown = traceback.TracebackException(type(each), each, inner, capture_locals=True)
        text += "".join(shown.format()) + repr(each) + repr(vars(each))
        seen += [other for other in (each.__cause__, each.__context__) if other is not None and other not in seen]
    return text
