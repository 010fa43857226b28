"""A message batch is sent once: whatever may have been sent already, is looked for before it is sent again."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from labkit.errors import ProposerStop
from labkit.propose.batch_calls import create, listed, look, results
from labkit.propose.exchange import Books, Slip
from labkit.propose.patience import patiently, pause
from labkit.propose.trouble import Trouble

if TYPE_CHECKING:
    from labkit.propose.messages import Messages

CLOCK_MARGIN = timedelta(days=1)
"""By how much a server's clock may be behind ours, or ours wrong; batches end within a day."""

_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class _Sent:
    """What came of sending: the batch's id, or in `doubt` why it is unknown whether the server took it."""

    id: str = ""
    doubt: str = ""


def new_intent() -> str:
    """Return what makes a batch known again: the moment, and a number that nobody else has."""
    return f"{datetime.now(UTC).strftime(_TIME)}-{uuid.uuid4().hex[:16]}"


def name_of(number: int, intent: str) -> str:
    """Return the name of a batch's question; without an intent, as in campaigns of labkit before it had them."""
    return f"{intent}-question-{number}" if intent else f"question-{number}"


def sent_once(messages: "Messages", requests: Sequence[dict[str, Any]], books: Books, slip: Slip, intent: str) -> str:
    """Return the id of the batch of these requests: of one that the server has already, else of a new one.

    Args:
        intent: `slip.intent`, or a new one.

    Raises:
        ProposerStop: as `Messages.batch`.
    """
    named = [{"custom_id": name_of(number, intent), "params": request} for number, request in enumerate(requests)]
    kept, doubt = bool(slip.intent), ""
    for _ in range(messages.settings.attempts):
        # an intent without an id was left by a process that was killed just before or after it sent the batch
        if (slip.intent or doubt) and (found := _found(messages, intent, len(requests), books, doubt)):
            return found
        messages.hold_budget("batch", requests, books, batch=True)
        if not kept:
            slip.intended(intent)
            kept = True
        sent = patiently(lambda: _send(messages, named), messages.settings, books)
        if sent.id:
            return sent.id
        doubt = sent.doubt
        books.say(f"{doubt}; whether the batch was taken is unknown: it is looked for before it is sent again")
        pause(messages.settings.batch_poll_s, books)
    raise ProposerStop(f"{doubt}; gave up after {messages.settings.attempts} attempts, call again later")


def _send(messages: "Messages", named: Sequence[dict[str, Any]]) -> _Sent | Trouble:
    taken = create(messages, named)
    if isinstance(taken, str):
        return _Sent(id=taken)
    return taken if taken.certain else _Sent(doubt=taken.text)


def _found(messages: "Messages", intent: str, count: int, books: Books, doubt: str) -> str:
    """Return the id of the batch that carries an intent; "" if the server has none.

    Args:
        doubt: why a batch that this process sent may not have been taken; "" if it has sent none.
    """
    since = datetime.strptime(intent.partition("-")[0], _TIME).replace(tzinfo=UTC) - CLOCK_MARGIN
    rows = patiently(lambda: listed(messages, since), messages.settings, books)
    if rows is not None:
        return _first_with(intent, messages, [row for row in rows if _count(row) in (0, count)], books)
    if doubt:
        raise ProposerStop(
            f"{doubt}; whether the batch was taken is unknown, and {messages.where} lists none: look at the "
            "account's batches, and cancel it there before you call again"
        )
    books.say(f"{messages.where} lists no batches: one that was sent just before a kill may be paid for twice")
    return ""


def _first_with(intent: str, messages: "Messages", waiting: list[dict[str, Any]], books: Books) -> str:
    """Return the id of the first of some batches to end with an intent in its results; "" if none has it."""
    while waiting:
        for row in waiting:
            if _ended(row) and _carries(messages, row["id"], intent, books):
                return str(row["id"])
        waiting = [row for row in waiting if not _ended(row)]
        if waiting:
            ids = ", ".join(row["id"] for row in waiting)
            books.say(f"a batch may have been sent before and be one of {ids}: waiting for their end")
            pause(messages.settings.batch_poll_s, books)
            waiting = [_look(messages, row["id"], books) for row in waiting]
    return ""


def _ended(row: dict[str, Any]) -> bool:
    return row.get("processing_status") == "ended"


def _look(messages: "Messages", batch_id: str, books: Books) -> dict[str, Any]:
    return patiently(lambda: look(messages, batch_id), messages.settings, books)


def _carries(messages: "Messages", batch_id: str, intent: str, books: Books) -> bool:
    def read() -> dict[str, Any] | Trouble:
        found = results(messages, batch_id)
        gone = isinstance(found, Trouble) and not found.retry  # deleted or too old: nothing can come of it
        return {} if gone else found

    return any(name.startswith(f"{intent}-") for name in patiently(read, messages.settings, books))


def _count(row: dict[str, Any]) -> int:
    """Return how many requests a batch has; 0 if the server does not say."""
    counts = row.get("request_counts")
    return sum(n for n in counts.values() if isinstance(n, int)) if isinstance(counts, dict) else 0
