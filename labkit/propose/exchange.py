"""One request to a model and what came of it, and the journal that keeps a paid answer through a crash."""

import json
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from labkit.errors import ProposerError

BYTES_A_TOKEN = 3
"""English and code have three to four bytes a token: counted so, a cut answer is rather too dear than too cheap."""


REPLAYED = "replayed"
"""Stands for the date of a price: nothing was paid."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer as the server counts them; thinking is output."""

    input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def prompt_tokens(self) -> int:
        """All that went in, from the cache or not."""
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return self.input_tokens + written + self.cache_read_tokens


@dataclass(frozen=True)
class Question:
    """What is asked of a model.

    Attributes:
        purpose: "plan", "code", "repair" or "lessons".
        system, messages: as in the Messages API, with cache marks where the caller wants them.
        effort: None for the settings' effort, "" to leave it to the server.
        schema: JSON schema of the answer; left out when the settings say that the server knows none.
        model: "" for the settings' model.
        generation, slot: where in the campaign it is asked.
    """

    purpose: str
    system: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    max_tokens: int
    effort: str | None = None
    schema: dict[str, Any] | None = None
    model: str = ""
    generation: int = 0
    slot: int = 0


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it, as the ledger keeps it; there is no key in it.

    Attributes:
        answer: the text blocks, joined; thinking is in `raw` alone.
        raw: the message as received; None where none came.
        stop_reason: the server's; "cut" when the answer broke off, "" when there was none.
        usd: what it cost; None when the price is unknown.
        price_date: of the price table; "settings" when the price stands there.
        error: why there is no whole answer.
        estimated: the answer broke off before the server said how many tokens it had written:
            those that arrived are counted from their bytes.
        id: differs for each attempt; whoever records keeps an id once.
        generation, slot: where in the campaign it was asked.
    """

    purpose: str
    model: str
    request: dict[str, Any]
    answer: str
    raw: dict[str, Any] | None
    stop_reason: str
    usage: Usage
    usd: float | None
    price_date: str
    request_id: str
    error: str = ""
    seconds: float = 0.0
    estimated: bool = False
    id: str = ""
    generation: int = 0
    slot: int = 0

    @property
    def whole(self) -> bool:
        """Whether the model came to its end: nothing else may be run or believed."""
        return self.stop_reason in ("end_turn", "stop_sequence")

    @property
    def answered(self) -> bool:
        """Whether the server came to an end of any kind: neither broken off nor without an answer."""
        return self.stop_reason not in ("", "cut")

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of this request: answered, or a batch brought something else in its place."""
        return self.answered or (self.stop_reason == "" and self.raw is not None)

    @property
    def refused(self) -> bool:
        """Whether the model declined to answer."""
        return self.stop_reason == "refusal"


@dataclass(frozen=True)
class Slip:
    """What is kept of one message batch, so that it is sent and paid for once, whatever ends the process.

    Attributes:
        intent: kept before the batch was sent, and part of its questions' names; "" if it was not sent yet.
        batch_id: under which the server has it; "" as long as that is unknown.
        intended, submitted: called with each of the two as soon as there is one.
    """

    intent: str = ""
    batch_id: str = ""
    intended: Callable[[str], None] = lambda intent: None
    submitted: Callable[[str], None] = lambda batch_id: None


class Books(Protocol):
    """What is needed of a desk to ask a model: where exchanges are kept, and how to stop."""

    @property
    def stop(self) -> threading.Event:
        """Set from outside to end waits and answers in flight."""
        ...

    @property
    def journal(self) -> Path | None:
        """The file that holds the answer in flight; None to keep none."""
        ...

    def record(self, exchange: Exchange) -> None:
        """Keep an exchange for good; one whose id is known is not kept again."""
        ...

    def spent_usd(self) -> float:
        """Return what all exchanges so far have cost."""
        ...

    def say(self, text: str) -> None:
        """Show a person what goes on."""
        ...


NO_SLIP = Slip()


class Asker(Protocol):
    """Who answers questions: a server (`messages.Messages`), or a recording of one (`record.Recorded`)."""

    def ask(self, question: Question, books: Books, on_progress: Callable[[int], None] | None = None) -> Exchange:
        """Return the answer, which is in the books; look at its `stop_reason` before anything else.

        Raises:
            ProposerStop: asking on would not help; the text says what to do.
        """
        ...

    def batch(self, questions: Sequence[Question], books: Books, slip: Slip = NO_SLIP) -> list[Exchange]:
        """Return the answers to several questions, in their order; see `messages.Messages.batch`."""
        ...

    def catch_up(self, exchanges: Iterable[Exchange]) -> None:
        """Take note of what the campaign has in its books already, before the first question of a process."""
        ...

    def reach(self) -> None:
        """Make sure that there is somebody to ask; nothing is asked.

        Raises:
            ProposerStop: there is nobody.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text is: for progress, and for answers that broke off."""
    return math.ceil(len(text.encode(errors="surrogatepass")) / BYTES_A_TOKEN)


def to_json(exchange: Exchange) -> str:
    """Return an exchange as one line of JSON in ASCII: whatever a server sends can be written down."""
    return json.dumps(asdict(exchange))


def from_json(text: str) -> Exchange:
    """Return an exchange that `to_json` wrote."""
    return from_values(json.loads(text))


def from_values(values: dict[str, Any]) -> Exchange:
    """Return an exchange from what `dataclasses.asdict` made of it."""
    return Exchange(**{**values, "usage": Usage(**values["usage"])})


def write_journal(path: Path, exchange: Exchange) -> None:
    """Replace the journal in one step: a killed process leaves the old one or the new one."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(to_json(exchange), encoding="utf-8")
    fresh.replace(path)


def read_journal(path: Path) -> Exchange | None:
    """Return the exchange that a killed process left, to be recorded and the file deleted; None if there is none.

    Raises:
        ProposerError: the file is not a journal.
    """
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProposerError(
            f"{path}: not a journal of an answer in flight ({error}); look at it and delete it"
        ) from error
