"""Recording answers, and handing them out again: a campaign run once more from what a model once said."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from labkit.errors import ProposerStop
from labkit.propose.exchange import NO_SLIP, REPLAYED, Asker, Books, Exchange, Question, Slip, from_json, to_json
from labkit.propose.patience import STOPPED

FILE = "exchanges.jsonl"
Place = tuple[int, int, str]
"""Generation, slot and purpose: what a recorded answer is found by."""


class Recording:
    """Asks another asker, and adds what was answered to `folder`/exchanges.jsonl, a line each.

    Raises:
        ProposerStop: the folder cannot be written, or what stands there is no recording.
    """

    def __init__(self, asker: Asker, folder: Path) -> None:
        self._asker, self._path = asker, folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _cut_torn_end(self._path)
            self._ids = {exchange.id for exchange in _read(self._path)}
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def ask(self, question: Question, books: Books, on_progress: Callable[[int], None] | None = None) -> Exchange:
        """Return the answer, which is recorded."""
        exchange = self._asker.ask(question, books, on_progress)
        self.catch_up([exchange])
        return exchange

    def batch(self, questions: Sequence[Question], books: Books, slip: Slip = NO_SLIP) -> list[Exchange]:
        """Return the answers, which are recorded."""
        exchanges = self._asker.batch(questions, books, slip)
        self.catch_up(exchanges)
        return exchanges

    def reach(self) -> None:
        """Make sure that the asker can be reached."""
        self._asker.reach()

    def close(self) -> None:
        """Close the asker; the file is closed after each line."""
        self._asker.close()

    def catch_up(self, exchanges: Iterable[Exchange]) -> None:
        """Record those that are not yet: of a resumed campaign, all that its ledger has.

        Raises:
            ProposerStop: the file cannot be written.
        """
        for exchange in exchanges:
            if exchange.ended and exchange.id not in self._ids:
                self._append(exchange)
                self._ids.add(exchange.id)

    def _append(self, exchange: Exchange) -> None:
        try:
            with self._path.open("a", encoding="ascii") as file:
                file.write(to_json(exchange) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(self._path, error) from error


class Recorded:
    """Hands a recording's answers out again, those of one place in their order; nothing is paid.

    Raises:
        ProposerStop: there is no recording, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._waiting: dict[Place, deque[Exchange]] = {}
        try:
            exchanges = {exchange.id: exchange for exchange in _read(self._path)}
        except OSError as error:
            raise ProposerStop(f"{self._path}: no recording to replay ({error.strerror}); was it made?") from error
        for exchange in exchanges.values():
            if exchange.ended:
                self._waiting.setdefault(_place(exchange), deque()).append(exchange)

    def ask(self, question: Question, books: Books, on_progress: Callable[[int], None] | None = None) -> Exchange:
        """Return the next recorded answer of the question's place; the question's words are not compared.

        Raises:
            ProposerStop: the recording holds none, or the campaign is told to stop.
        """
        if books.stop.is_set():
            raise ProposerStop(STOPPED.text)
        waiting = self._waiting.get(_place(question))
        if not waiting:
            raise ProposerStop(
                f"{self._path}: nothing more is recorded for generation {question.generation}, slot {question.slot}, "
                f"{question.purpose!r}; a replay can go only as far as its recording, with the same settings"
            )
        exchange = replace(waiting.popleft(), usd=0.0, price_date=REPLAYED)
        books.record(exchange)
        if on_progress is not None:
            on_progress(exchange.usage.output_tokens)
        return exchange

    def batch(self, questions: Sequence[Question], books: Books, slip: Slip = NO_SLIP) -> list[Exchange]:
        """Return the recorded answers; no batch is sent, so nothing of one is kept."""
        return [self.ask(question, books) for question in questions]

    def reach(self) -> None:
        """Nobody need be reached."""

    def close(self) -> None:
        """Nothing is open."""

    def catch_up(self, exchanges: Iterable[Exchange]) -> None:
        """Leave out what was handed out already: of a resumed campaign, all that its ledger has."""
        done = {exchange.id for exchange in exchanges}
        for place, waiting in self._waiting.items():
            self._waiting[place] = deque(exchange for exchange in waiting if exchange.id not in done)


def _place(asked: Question | Exchange) -> Place:
    return asked.generation, asked.slot, asked.purpose


def _read(path: Path) -> Iterator[Exchange]:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            exchange = from_json(line.decode("ascii"))
            if not exchange.id:
                raise ValueError("it has no id")
        except (ValueError, KeyError, TypeError) as error:
            raise ProposerStop(
                f"{path}, line {number}: not a recorded exchange ({error}); repair or remove that line"
            ) from error
        yield exchange


def _cut_torn_end(path: Path) -> None:
    """Make sure that there is a file and that it ends with a whole line: a killed process may leave half of one."""
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _unwritable(path: Path, error: OSError) -> ProposerStop:
    return ProposerStop(f"{path}: answers cannot be recorded ({error.strerror}); give --record another folder")
