"""What the Claude server of the tests can be told to answer: answers, errors, pages, and streams that break."""

import threading
from dataclasses import dataclass, field
from typing import Any

from claude_bill import count

PIECE = 24
"""Characters in one event of a stream."""


@dataclass(frozen=True)
class Answer:
    """An answer, streamed piece by piece; cut at the request's max_tokens as the vendor does.

    Attributes:
        text: one text block, or several.
        thinking: stands in a block of its own before the text; "" for none.
        first_s, between_s: silence before the status line and before each piece.
        end: how a stream breaks: "reset" (RST), "drop" (closed within the body), "early" (a clean end),
            "error" (an error event), "malformed" (JSON that is none), "not an event", "late" (closed when all
            but the last event was sent); "" if it does not.
        after: pieces that are sent before it breaks; -1 breaks it before message_start.
        error: the type in an error event.
    """

    text: str | tuple[str, ...] = ""
    thinking: str = "Let me see."
    stop_reason: str = "end_turn"
    first_s: float = 0.0
    between_s: float = 0.0
    end: str = ""
    after: int = 2
    error: str = "overloaded_error"


@dataclass(frozen=True)
class Status:
    """An answer with an error status."""

    code: int
    type: str = "api_error"
    message: str = "as the script wants it"
    error_code: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Whatever a proxy may send with status 200 in place of an answer."""

    body: str = "<html><body>Please log in</body></html>"
    content_type: str = "text/html"


@dataclass(frozen=True)
class Expired:
    """A question of a batch that was not answered within a day."""


@dataclass(frozen=True)
class Held:
    """A batch that is taken, and whose answer waits until it is let go."""

    taken: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)


Reply = Answer | Status | Page | Expired | Held


def within(answer: Answer, max_tokens: int) -> tuple[list[tuple[str, str]], str, int]:
    """Return an answer's blocks cut at `max_tokens`, its stop reason and its tokens."""
    texts = (answer.text,) if isinstance(answer.text, str) else answer.text
    blocks = [("thinking", answer.thinking)] if answer.thinking else []
    blocks += [("text", text) for text in texts if text]
    total = count("".join(text for _, text in blocks))
    if total <= max_tokens:
        return blocks, answer.stop_reason, max(1, total)
    left, cut = 4 * max_tokens, []
    for kind, text in blocks:
        cut.append((kind, text[:left]))
        left = max(0, left - len(text))
    return [block for block in cut if block[1]], "max_tokens", max_tokens


def error_of(status: Status) -> dict[str, Any]:
    details = {"details": {"error_code": status.error_code}} if status.error_code else {}
    return {"type": "error", "error": {"type": status.type, "message": status.message} | details}
