"""The calls about message batches: each brings what was asked for, or a `Trouble`."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from anthropic import APIStatusError

from labkit.propose.trouble import Trouble

if TYPE_CHECKING:
    from labkit.propose.messages import Messages

_PAGE = 100
_NO_SUCH_CALL = (404, 405, 501)


def create(messages: "Messages", requests: Sequence[dict[str, Any]]) -> str | Trouble:
    """Send a batch of named requests; return its id."""
    taken: Any = requests
    model = requests[0]["params"]["model"]
    batch = messages.attempt(lambda: messages.client.messages.batches.create(requests=taken), model)
    if batch_id := values_of(batch).get("id"):
        return str(batch_id)
    return batch if isinstance(batch, Trouble) else _not_a_batch(messages)


def look(messages: "Messages", batch_id: str) -> dict[str, Any] | Trouble:
    """Return a batch as it stands."""
    batch = messages.attempt(lambda: messages.client.messages.batches.retrieve(batch_id), "")
    if isinstance(batch, Trouble):
        return batch
    values = values_of(batch)
    return values if values.get("id") else _not_a_batch(messages)


def results(messages: "Messages", batch_id: str) -> dict[str, dict[str, Any]] | Trouble:
    """Return the results of a batch that has ended, by the names of its requests."""

    def read() -> list[dict[str, Any]] | Trouble:
        try:
            lines: Iterable[Any] = messages.client.messages.batches.results(batch_id)
        except AttributeError:  # the SDK looks at the batch once more, and stumbles over what is none
            return _not_a_batch(messages)
        return [values_of(line) for line in lines]

    lines = messages.attempt(read, "")
    if isinstance(lines, Trouble):
        return lines
    return {str(line.get("custom_id")): line["result"] for line in lines if isinstance(line.get("result"), dict)}


def listed(messages: "Messages", since: datetime) -> list[dict[str, Any]] | Trouble | None:
    """Return the batches that were made since a moment, the newest first; None from a server that lists none."""
    found: list[dict[str, Any]] = []
    last = ""
    while True:
        page = messages.attempt(partial(_page, messages, last), "")
        if page is None or isinstance(page, Trouble):
            return page
        rows = values_of(page).get("data")
        if not isinstance(rows, list):
            return _not_a_batch(messages)
        rows = [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
        known = {row["id"] for row in found}
        fresh = [row for row in rows if row["id"] not in known and _made(row, since)]
        found += fresh
        if len(fresh) < len(rows) or not rows or not values_of(page).get("has_more"):
            return found
        last = rows[-1]["id"]


def _page(messages: "Messages", last: str) -> Any:
    after = {"after_id": last} if last else {}
    try:
        return messages.client.messages.batches.list(limit=_PAGE, **after)  # type: ignore[arg-type]
    except APIStatusError as error:
        if error.status_code in _NO_SUCH_CALL:
            return None
        raise


def _made(row: dict[str, Any], since: datetime) -> bool:
    """Return whether a batch was made since then; one that does not say so may have been."""
    try:
        made = datetime.fromisoformat(row.get("created_at") or "")
    except (ValueError, TypeError):
        return True
    return (made if made.tzinfo else made.replace(tzinfo=UTC)) >= since


def values_of(model: Any) -> dict[str, Any]:
    """Return what the SDK's object holds; {} for whatever it could not read: a web page is a str."""
    return model.to_dict(mode="json", warnings=False) if hasattr(model, "to_dict") else {}


def _not_a_batch(messages: "Messages") -> Trouble:
    return Trouble(f"{messages.where} sent something that is no message batch; is base_url right (without /v1)?")
