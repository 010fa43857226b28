"""The questions of one generation in their order: those that are paid are answered from the books, the rest asked."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from labkit.errors import NoProposalError
from labkit.propose.exchange import Asker, Exchange, Question, Slip
from labkit.propose.prompt import Prompt
from labkit.propose.proposer import Desk

_ATTEMPTS = 3
_CUT = ("max_tokens", "model_context_window_exceeded")
_MOST = 128_000
"""Tokens of an answer: more is asked of no model, unless the settings do."""
_REFUSED = (
    "This is about video compression research: the program runs in a closed laboratory, on clips made for such tests, "
    "and is measured by its bytes and its picture quality. Please answer the request above."
)


def opening(prompt: Prompt) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return system and messages: a mark for an hour after the frozen part, one for five minutes after the champion."""
    system = [_block(prompt.frozen, "1h")]
    return system, [{"role": "user", "content": [_block(prompt.champion, "5m"), _block(prompt.news)]}]


def _block(text: str, ttl: str = "") -> dict[str, Any]:
    mark = {"cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else {}
    return {"type": "text", "text": text} | mark


def answered(question: Question, exchange: Exchange, reply: str) -> Question:
    """Return the question that goes on after an answer; what a model has not said is not put into its mouth."""
    said = [{"role": "assistant", "content": exchange.answer}] if exchange.answer.strip() else []
    if not said:  # two messages of one role in a row: the reply joins the question before it
        last = question.messages[-1]
        content = [*last["content"], _block(reply)]
        return replace(question, messages=[*question.messages[:-1], {"role": "user", "content": content}])
    return replace(question, messages=[*question.messages, *said, {"role": "user", "content": [_block(reply)]}])


class Walk:
    """Asks in one generation. Called again after a crash, with the same questions in the same order, it goes on.

    Args:
        batch: ask by message batches, at half price.
    """

    def __init__(self, asker: Asker, desk: Desk, generation: int, batch: bool) -> None:
        self._asker, self._desk, self._generation, self._batch = asker, desk, generation, batch
        self._paid: dict[tuple[int, str], deque[Exchange]] = {}
        self._known: set[str] = set()
        booked = desk.exchanges()
        self.keep([exchange for exchange in booked if exchange.ended])
        self._known |= {exchange.id for exchange in booked}

    def whole(self, question: Question) -> Exchange:
        """Return an answer that came to its end: a cut one is asked for with more room, a refused one once again.

        Raises:
            NoProposalError: there is none.
        """
        why = ""
        for _ in range(_ATTEMPTS):
            exchange = self.ask(question)
            if exchange.whole:
                return exchange
            if exchange.refused:
                if why == "the model refused to answer":
                    break
                why = "the model refused to answer"
                question = answered(question, replace(exchange, answer=""), _REFUSED)
            elif exchange.stop_reason in _CUT:
                why = f"the answer was cut at {question.max_tokens:,} tokens ({exchange.stop_reason})"
                question = replace(question, max_tokens=max(question.max_tokens, min(2 * question.max_tokens, _MOST)))
            elif exchange.answered:
                why = f"the answer ended in a way that nobody knows to be whole (stop_reason {exchange.stop_reason!r})"
            else:
                why = exchange.error or "there was no answer"
            self._desk.say(f"{question.purpose}: {why}; asking once more")
        raise NoProposalError(f"{question.purpose}: {why}, asked again in vain; nothing of it was run")

    def ask(self, question: Question) -> Exchange:
        """Return the next answer to a question of this place, paid before or asked for now."""
        question = replace(question, generation=self._generation)
        if waiting := self._paid.get((question.slot, question.purpose)):
            return waiting.popleft()
        if self._batch:
            place = (question.slot, question.purpose)
            asked = sum(1 for exchange in self._desk.exchanges() if (exchange.slot, exchange.purpose) == place)
            return self.ask_together([question], f"{question.slot}/{question.purpose}/{asked}")[0]
        return self._asker.ask(question, self._desk, self._arriving(question))

    def ask_together(self, questions: Sequence[Question], name: str) -> list[Exchange]:
        """Return the answers to questions that are sent as one message batch.

        Args:
            name: of the batch in this generation; the same questions have the same one after a restart.
        """
        placed = [replace(question, generation=self._generation) for question in questions]
        key = f"{self._generation}/{name}"
        intent, keep = f"{key}/intent", self._desk.keep_batch
        known = Slip(self._desk.batch_id(intent), self._desk.batch_id(key), partial(keep, intent), partial(keep, key))
        return self._asker.batch(placed, self._desk, known)

    def has(self, slot: int, purpose: str) -> bool:
        """Whether an answer of this place is paid and not used yet."""
        return bool(self._paid.get((slot, purpose)))

    def keep(self, exchanges: Sequence[Exchange]) -> None:
        """Put answers where `ask` finds them, each once."""
        for exchange in exchanges:
            if exchange.id not in self._known:
                self._known.add(exchange.id)
                self._paid.setdefault((exchange.slot, exchange.purpose), deque()).append(exchange)

    def _arriving(self, question: Question) -> Callable[[int], None]:
        return lambda tokens: self._desk.arriving(f"{question.purpose} of slot {question.slot}", tokens)
