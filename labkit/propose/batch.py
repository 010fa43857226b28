"""Several questions as one message batch: half the price, up to a day, and nothing lost when the lab restarts."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from labkit.errors import ProposerStop
from labkit.propose.arriving import text_of, usage_of
from labkit.propose.exchange import Books, Exchange, Question, Usage
from labkit.propose.patience import patiently, pause
from labkit.propose.prices import dearest
from labkit.propose.trouble import Trouble

if TYPE_CHECKING:
    from labkit.propose.messages import Messages


def run_batch(
    messages: "Messages", questions: Sequence[Question], books: Books, batch_id: str, submitted: Callable[[str], None]
) -> list[Exchange]:
    """Return the answers in the order of the questions; see `Messages.batch`."""
    requests = [messages.request(question) for question in questions]
    if not requests:
        return []
    if not batch_id:
        messages.hold_budget("batch", requests, books, batch=True)
        batch_id = patiently(lambda: _create(messages, requests), messages.settings, books)
        submitted(batch_id)
    _await_end(messages, batch_id, books)
    lines = patiently(lambda: _results(messages, batch_id), messages.settings, books)
    results = {line.get("custom_id"): line.get("result") for line in lines}
    exchanges = []
    for number, (question, request) in enumerate(zip(questions, requests, strict=True)):
        result = results.get(_name(number)) or {"type": "missing in the results"}
        exchanges.append(_exchange(messages, question, request, result, f"{batch_id}/{_name(number)}"))
    for exchange in exchanges:
        books.record(exchange)
    return exchanges


def _name(number: int) -> str:
    return f"question-{number}"


def _create(messages: "Messages", requests: Sequence[dict[str, Any]]) -> str | Trouble:
    named: Any = [{"custom_id": _name(number), "params": request} for number, request in enumerate(requests)]
    batch = messages.attempt(lambda: messages.client.messages.batches.create(requests=named), requests[0]["model"])
    if batch_id := _values(batch).get("id"):
        return str(batch_id)
    trouble = batch if isinstance(batch, Trouble) else _not_a_batch(messages)
    if trouble.certain:
        return trouble
    # asked again, the same questions might be paid for twice
    raise ProposerStop(
        f"{trouble.text}; whether the batch was taken is unknown: look at the account's batches, and cancel it there "
        "before you call again"
    )


def _await_end(messages: "Messages", batch_id: str, books: Books) -> None:
    said = ""
    while True:
        values = patiently(lambda: _look(messages, batch_id), messages.settings, books)
        if values.get("processing_status") == "ended":
            return
        counts = values.get("request_counts") or {}
        text = f"batch {batch_id}: {counts.get('processing', 'all')} questions are waiting for their answers"
        if text != said:
            books.say(text)
            said = text
        pause(messages.settings.batch_poll_s, books)


def _look(messages: "Messages", batch_id: str) -> dict[str, Any] | Trouble:
    batch = messages.attempt(lambda: messages.client.messages.batches.retrieve(batch_id), "")
    if isinstance(batch, Trouble):
        return batch
    values = _values(batch)
    return values if values.get("id") else _not_a_batch(messages)


def _results(messages: "Messages", batch_id: str) -> list[dict[str, Any]] | Trouble:
    def read() -> list[dict[str, Any]] | Trouble:
        try:
            lines: Iterable[Any] = messages.client.messages.batches.results(batch_id)
        except AttributeError:  # the SDK looks at the batch once more, and stumbles over what is none
            return _not_a_batch(messages)
        return [_values(line) for line in lines]

    return messages.attempt(read, "")


def _exchange(
    messages: "Messages", question: Question, request: dict[str, Any], result: dict[str, Any], ident: str
) -> Exchange:
    message = result.get("message") if result.get("type") == "succeeded" else None
    message = message if isinstance(message, dict) else None
    usage = usage_of(message.get("usage"), dearest(request)) if message else Usage()
    return messages.exchange(
        question, request, usage, batch=True, id=ident, request_id="", raw=message or result,
        answer=text_of(message) if message else "", stop_reason=(message or {}).get("stop_reason") or "",
        error="" if message else f"no answer in the batch: {_reason(result)}",
    )  # fmt: skip


def _reason(result: dict[str, Any]) -> str:
    error = (result.get("error") or {}).get("error") or {}
    return f"{result.get('type')} {error.get('type', '')} {error.get('message', '')}".strip()


def _not_a_batch(messages: "Messages") -> Trouble:
    return Trouble(f"{messages.where} sent something that is no message batch; is base_url right (without /v1)?")


def _values(model: Any) -> dict[str, Any]:
    # the SDK hands out whatever it could not read as what it is: a web page is a str
    return model.to_dict(mode="json", warnings=False) if hasattr(model, "to_dict") else {}
