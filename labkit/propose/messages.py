"""Claude through the SDK: every attempt counted and kept, every failure one line, the budget held before asking."""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import anthropic

from labkit.errors import ProposerStop
from labkit.propose.arriving import Arriving
from labkit.propose.batch import run_batch
from labkit.propose.claude_settings import ClaudeSettings
from labkit.propose.exchange import NO_SLIP, Books, Exchange, Question, Slip, Usage, estimated_tokens, write_journal
from labkit.propose.keys import Secrets, connect_s, open_client
from labkit.propose.patience import STOPPED, patiently
from labkit.propose.prices import cache_ttls, cost_usd, dearest, worst_case_usd
from labkit.propose.reach import unreached
from labkit.propose.trouble import FAILURES, Trouble, at_start, explain

T = TypeVar("T")

JOURNAL_S = 0.25
"""A killed process loses at most so much of an answer."""

DENSITY_MARGIN, LEAST_DENSITY = 1.25, 0.25
"""The next prompt may hold this much more tokens a byte than the densest seen, and is never taken for sparser."""

HIDDEN_TOKENS = 2000
"""What a server may put around a prompt."""

INTERRUPTED = Trouble("interrupted before its end", retry=False)
"""How an answer stands in the journal, and in the ledger if Ctrl-C or a kill ends it."""


@dataclass
class _Flight:
    """One attempt on its way."""

    question: Question
    request: dict[str, Any]
    answer: Arriving = field(default_factory=Arriving)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.monotonic)
    request_id: str = ""


class Messages:
    """Asks models at one server, within one budget.

    Args:
        budget_usd: the hard cap on all exchanges in the books; None for none.
        key: None for what the SDK finds: the environment, or a profile on disk.

    Raises:
        ProposerStop: there is no key, or a budget and a model whose price is unknown.
    """

    def __init__(self, settings: ClaudeSettings, budget_usd: float | None = None, key: str | None = None) -> None:
        self.settings, self.budget_usd = settings, budget_usd
        if budget_usd is not None:
            for model in (settings.model, settings.lessons_model):
                if settings.price(model)[0] is None:
                    raise ProposerStop(_unknown_price(model))
        self.client = open_client(settings, key)
        url = self.client.base_url.copy_with(userinfo=b"", query=None, fragment=None)
        self.where = str(url).rstrip("/")
        self._secrets = Secrets(self.client.default_headers)
        self._reached = False
        self._densest: dict[str, float] = {}

    def catch_up(self, exchanges: Iterable[Exchange]) -> None:
        """Nothing is kept here: the books have it all."""

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def reach(self) -> None:
        """Make sure that somebody listens at the server's address; nothing is asked.

        Raises:
            ProposerStop: nobody does.
        """
        error = unreached(self.client.base_url, connect_s(self.settings))
        if error is not None:
            raise ProposerStop(at_start(explain(error, self.where, "")).text)

    # --- asking ----------------------------------------------------------------------------------------

    def ask(self, question: Question, books: Books, on_progress: Callable[[int], None] | None = None) -> Exchange:
        """Return the answer: look at its `stop_reason` before anything else. Every paid attempt is in the books.

        Args:
            on_progress: called while the answer arrives with about how many tokens there are.

        Raises:
            ProposerStop: the budget would not hold, asking again would not help, or the campaign is told to stop.
        """
        request = self.request(question)
        return patiently(lambda: self._attempt(_Flight(question, request), books, on_progress), self.settings, books)

    def batch(self, questions: Sequence[Question], books: Books, slip: Slip = NO_SLIP) -> list[Exchange]:
        """Return the answers to several questions, asked at half price as one message batch: it may take a day.

        Args:
            slip: of a batch with the same questions that was sent before: it is waited for. One that has an intent
                and no id is looked for among the server's batches, and sent only if none carries the intent.

        Raises:
            ProposerStop: as `ask`; the batch goes on at the server.
        """
        return run_batch(self, questions, books, slip)

    def request(self, question: Question) -> dict[str, Any]:
        """Return what is sent for a question; the same question gives the same bytes, as the cache needs it."""
        effort = self.settings.effort if question.effort is None else question.effort
        output: dict[str, Any] = {"effort": effort} if effort else {}
        if question.schema is not None and self.settings.structured_output:
            output["format"] = {"type": "json_schema", "schema": question.schema}
        return {
            "model": question.model or self.settings.model,
            "max_tokens": question.max_tokens,
            "system": question.system,
            "messages": question.messages,
        } | ({"output_config": output} if output else {})

    def _attempt(self, flight: _Flight, books: Books, on_progress: Callable[[int], None] | None) -> Exchange | Trouble:
        """Ask once; what was paid for is in the books however it ends, also by Ctrl-C."""
        if books.stop.is_set():
            return STOPPED
        self.hold_budget(flight.question.purpose, [flight.request], books)
        trouble: Trouble | None = INTERRUPTED
        try:
            trouble = self.attempt(lambda: self._receive(flight, books, on_progress), flight.request["model"])
        finally:
            if flight.answer.stop_reason:
                trouble = None  # what broke after the end of the answer does not matter
            exchange = self._exchange(flight, trouble)
            if flight.answer.begun:
                self._book(exchange, books)
        return trouble or exchange

    def attempt(self, call: Callable[[], T], model: str) -> T | Trouble:
        """Return what a call to the SDK returns, or why it failed."""
        try:
            result = call()
        except FAILURES as error:
            request = getattr(error, "request", None)
            self._secrets.learn(getattr(request, "headers", {}))
            trouble = explain(error, self.where, model)
        else:
            self._reached = True
            return result
        # outside of the handler: the SDK's errors know the key, none may stand in the context of ours
        trouble = trouble if self._reached else at_start(trouble)
        self._reached |= not trouble.unreachable
        return replace(trouble, text=self._secrets.hide(trouble.text))

    def _receive(self, flight: _Flight, books: Books, on_progress: Callable[[int], None] | None) -> Trouble | None:
        """Read a stream to its end; return what keeps it from being an answer."""
        kept = 0.0
        opened: Any = self.client.messages.create(**flight.request, stream=True)
        with opened as stream:
            headers, answer = stream.response.headers, flight.answer
            flight.request_id = headers.get("request-id", "")
            self._secrets.learn(stream.response.request.headers)
            if "json" in headers.get("content-type", "") and (message := _message_in(stream.response.read())):
                answer.take_message(message)  # local servers do so, whatever was asked for
            for event in () if answer.begun else stream:
                if not isinstance(event, anthropic.BaseModel):
                    return Trouble(f"{self.where} sent something that is no event of an answer")
                answer.take(event.to_dict(mode="json", warnings=False))
                if answer.begun and time.monotonic() - kept >= JOURNAL_S:
                    kept = time.monotonic()
                    self._journal(self._exchange(flight, INTERRUPTED), books)
                    if on_progress is not None:
                        on_progress(answer.tokens)
                if books.stop.is_set():
                    return STOPPED
        if not answer.begun:
            kind = headers.get("content-type", "no content type")
            return Trouble(f"{self.where} sent {kind} and no message; is base_url right (without /v1)?")
        return None if answer.stop_reason else Trouble(f"the answer of {self.where} broke off")

    # --- books -----------------------------------------------------------------------------------------

    def exchange(
        self, question: Question, request: dict[str, Any], answer: Arriving, *, batch: bool = False, **values: Any
    ) -> Exchange:
        """Return an exchange with its cost, and without the key wherever a server may have echoed it."""
        price, date = self.settings.price(request["model"])
        usage, estimated = answer.usage(dearest(request)), answer.begun and answer.estimated
        if answer.begun and not usage.prompt_tokens:  # a server that does not say: no prompt is free
            usage, estimated = usage + Usage(input_tokens=estimated_tokens(json.dumps(request))), True
        clean = self._secrets.hide_in({"request": request, "answer": answer.answer, **values})
        return Exchange(
            purpose=question.purpose, generation=question.generation, slot=question.slot, model=request["model"],
            usage=usage, usd=cost_usd(usage, price, batch), price_date=date, estimated=estimated, **clean,
        )  # fmt: skip

    def _exchange(self, flight: _Flight, trouble: Trouble | None) -> Exchange:
        answer, begun = flight.answer, flight.answer.begun
        return self.exchange(
            flight.question, flight.request, answer, raw=answer.message() if begun else None,
            stop_reason=answer.stop_reason or ("cut" if begun else ""), request_id=flight.request_id,
            error=trouble.text if trouble and not answer.stop_reason else "",
            seconds=time.monotonic() - flight.started, id=flight.id,
        )  # fmt: skip

    def _book(self, exchange: Exchange, books: Books) -> None:
        self._journal(exchange, books)  # whole, before the ledger has it: it may be killed in between
        books.record(exchange)
        if books.journal is not None:
            books.journal.unlink(missing_ok=True)
        density = exchange.usage.prompt_tokens / _bytes(exchange.request)
        self._densest[exchange.model] = max(density, self._densest.get(exchange.model, LEAST_DENSITY))

    def _journal(self, exchange: Exchange, books: Books) -> None:
        if books.journal is not None:
            write_journal(books.journal, exchange)

    # --- the budget ------------------------------------------------------------------------------------

    def hold_budget(self, purpose: str, requests: Sequence[dict[str, Any]], books: Books, batch: bool = False) -> None:
        """Refuse what might cost more than is left.

        Raises:
            ProposerStop: it might, or its price is unknown.
        """
        if self.budget_usd is None:
            return
        spent_usd, worst_usd = books.spent_usd(), sum(self._worst_usd(request, batch) for request in requests)
        if spent_usd + worst_usd > self.budget_usd:
            tokens_in, tokens_out = sum(map(self._most_tokens, requests)), sum(r["max_tokens"] for r in requests)
            raise ProposerStop(
                f"budget: {spent_usd:.3f} of {self.budget_usd:.3f} USD are spent, and the next request ({purpose}, "
                f"{requests[0]['model']}, at most {tokens_in:,} tokens in and {tokens_out:,} out) may cost "
                f"{worst_usd:.3f}; give a larger --budget-usd to go on"
            )

    def _worst_usd(self, request: dict[str, Any], batch: bool) -> float:
        model = request["model"]
        tokens = self._most_tokens(request)
        usd = worst_case_usd(tokens, request["max_tokens"], self.settings.price(model)[0], cache_ttls(request), batch)
        if usd is None:
            raise ProposerStop(_unknown_price(model, f" for prompts of up to {tokens:,} tokens"))
        return usd

    def _most_tokens(self, request: dict[str, Any]) -> int:
        """Return a bound on a prompt's tokens: one a byte, until this model's answers have shown how dense ours are."""
        seen = self._densest.get(request["model"])
        density = 1.0 if seen is None else min(1.0, DENSITY_MARGIN * seen)
        return int(_bytes(request) * density) + HIDDEN_TOKENS


def _message_in(body: bytes) -> dict[str, Any] | None:
    """Return the message that a body is; None for anything else."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and "content" in message else None


def _bytes(request: dict[str, Any]) -> int:
    return len(json.dumps(request, ensure_ascii=False).encode())


def _unknown_price(model: str, where: str = "") -> str:
    return (
        f"the price of {model!r}{where} is unknown, so no budget can be held: give input, output and cache_read (USD "
        f'for a million tokens) in [claude.prices."{model}"], choose another model, or set no budget'
    )
