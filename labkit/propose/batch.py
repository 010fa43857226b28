"""Several questions as one message batch: half the price, up to a day, and nothing lost when the lab restarts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labkit.propose.arriving import Arriving
from labkit.propose.batch_calls import look, results
from labkit.propose.batch_once import name_of, new_intent, sent_once
from labkit.propose.exchange import Books, Exchange, Question, Slip
from labkit.propose.keys import one_line
from labkit.propose.patience import patiently, pause

if TYPE_CHECKING:
    from labkit.propose.messages import Messages


def run_batch(messages: "Messages", questions: Sequence[Question], books: Books, slip: Slip) -> list[Exchange]:
    """Return the answers in the order of the questions; see `Messages.batch`."""
    requests = [messages.request(question) for question in questions]
    if not requests:
        return []
    intent, batch_id = slip.intent, slip.batch_id
    if not batch_id:
        intent = intent or new_intent()
        batch_id = sent_once(messages, requests, books, slip, intent)
        slip.submitted(batch_id)
    _await_end(messages, batch_id, books)
    came = _results(messages, batch_id, [name_of(number, intent) for number in range(len(requests))], books)
    exchanges = []
    for number, (question, request) in enumerate(zip(questions, requests, strict=True)):
        result = came.get(name_of(number, intent), {"type": "missing in the results"})
        exchanges.append(_exchange(messages, question, request, result, f"{batch_id}/{name_of(number, '')}"))
    for exchange in exchanges:
        books.record(exchange)
    return exchanges


def _await_end(messages: "Messages", batch_id: str, books: Books) -> None:
    said = ""
    while True:
        values = patiently(lambda: look(messages, batch_id), messages.settings, books)
        if values.get("processing_status") == "ended":
            return
        counts = values.get("request_counts")
        count = counts.get("processing", "all") if isinstance(counts, dict) else "all"
        text = f"batch {batch_id}: {count} questions are waiting for their answers"
        if text != said:
            books.say(text)
            said = text
        pause(messages.settings.batch_poll_s, books)


def _results(messages: "Messages", batch_id: str, names: Sequence[str], books: Books) -> dict[str, dict[str, Any]]:
    came = patiently(lambda: results(messages, batch_id), messages.settings, books)
    if not came.keys() >= set(names):
        books.say(f"batch {batch_id}: not every question is in its results, they are read once more")
        pause(messages.settings.batch_poll_s, books)
        came |= patiently(lambda: results(messages, batch_id), messages.settings, books)
    return came


def _exchange(
    messages: "Messages", question: Question, request: dict[str, Any], result: dict[str, Any], ident: str
) -> Exchange:
    message = result.get("message") if result.get("type") == "succeeded" else None
    answer = Arriving()
    if isinstance(message, dict):
        answer.take_message(message)
    return messages.exchange(
        question, request, answer, batch=True, id=ident, request_id="", raw=message if answer.begun else result,
        stop_reason=answer.stop_reason, error="" if answer.begun else f"no answer in the batch: {_reason(result)}",
    )  # fmt: skip


def _reason(result: dict[str, Any]) -> str:
    error = result.get("error")
    error = error.get("error") or error if isinstance(error, dict) else error
    said = (error.get("type", ""), error.get("message", "")) if isinstance(error, dict) else (error or "",)
    return one_line(" ".join(map(str, (result.get("type"), *said))))
