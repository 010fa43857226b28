"""Why an attempt brought no whole answer: every way in which the SDK fails, in one line that says what to do."""

import email.utils
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2  # the SDK lets its transport's errors through while an answer streams
from anthropic import AnthropicError, APIConnectionError, APIStatusError

from labkit.propose.keys import one_line

FAILURES = (AnthropicError, httpx2.HTTPError, ValueError, RecursionError)
"""What the SDK raises when the world is at fault; anything else is a mistake of ours.

The last two: JSON that is none, has a number of thousands of digits or is nested without end; text that is no UTF-8.
"""

_UNREACHABLE = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)
_AGAIN = (408, 409, 429)
_UNKNOWN_THERE = 501
_TURNED_AWAY = (503, 529)
"""Other errors from 500 up may come from a proxy, behind which the work was done."""
_STATUS_OF_EVENT = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
}
"""By the type of an error event, whose stream began with status 200; any other is the server's own trouble."""

_ADVICE = {
    400: "the request does not suit this server or model; for a local one, set structured_output = false and "
    'effort = "" in [claude]',
    401: "the key was turned down; check ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN or the profile in use",
    402: "the account has no credit left; add some, or use another key",
    403: "the key may not do this; use another key or model, or have it allowed",
    404: "model {model!r} or the address is unknown there; correct model or base_url (without /v1) in [claude]",
    413: "the prompt is too long for this server; make the brief shorter",
}
_ADVICE |= {405: _ADVICE[404], 422: _ADVICE[400]}
_NO_SUCH_BATCH = "no batch of this id is known there; has it been deleted, or is base_url another one (without /v1)?"
_SPEND_LIMIT = "the account has reached its spend limit; raise it or wait until it starts anew"


@dataclass(frozen=True)
class Trouble:
    """What went wrong in one attempt.

    Attributes:
        retry: whether another attempt may help.
        wait_s: the pause that the server asked for; None if it did not.
        unreachable: no server took the request, so nothing can have been paid.
        certain: the server said that it did not do what was asked; else it may have.
    """

    text: str
    retry: bool = True
    wait_s: float | None = None
    unreachable: bool = False
    certain: bool = False


def explain(error: BaseException, where: str, model: str) -> Trouble:
    """Return what one of FAILURES means for an attempt to ask `model` (a batch if "") at the server `where`."""
    if isinstance(error, APIStatusError):
        return _status(error, where, model)
    cause = (error.__cause__ or error) if isinstance(error, APIConnectionError) else error
    name = type(cause).__name__
    if isinstance(cause, _UNREACHABLE):
        return Trouble(f"nobody answers at {where} ({one_line(str(cause))})", unreachable=True, certain=True)
    if isinstance(cause, httpx2.TooManyRedirects):
        return Trouble(f"{where} redirects without end; {_ADVICE[404].format(model=model)}", retry=False, certain=True)
    if isinstance(cause, httpx2.TimeoutException):
        return Trouble(f"{where} fell silent for longer than timeout_s in [claude] ({name})")
    if isinstance(cause, httpx2.HTTPError):
        return Trouble(f"the connection to {where} broke ({name})")
    if isinstance(cause, (ValueError, RecursionError)):
        return Trouble(f"{where} sent something that is not JSON ({one_line(str(cause))})")
    return Trouble(f"no request to {where} could be made: {name}: {one_line(str(cause))}", retry=False, certain=True)


def at_start(trouble: Trouble) -> Trouble:
    """Return what a server that has never been reached means: waiting for it would be in vain."""
    if not trouble.unreachable:
        return trouble
    what = "; nothing was spent: start the server or correct base_url in [claude]"
    return replace(trouble, text=trouble.text + what, retry=False)


def _status(error: APIStatusError, where: str, model: str) -> Trouble:
    status, headers, kind = error.status_code, error.response.headers, str(error.type or "")
    event = status < 300
    if event:
        status = _STATUS_OF_EVENT.get(kind, 500)
    what = one_line(_reason(error), most=160) or kind or "no reason given"
    said = f"{where} said {f'in its stream: {kind}'.rstrip(': ') if event else status}: {what}"
    if (error.error_code or "").endswith("spend_limit_reached"):
        return Trouble(f"{said}; {_SPEND_LIMIT}", retry=False, certain=True)
    if status in _AGAIN or (status >= 500 and status != _UNKNOWN_THERE):
        certain = not event and (status < 500 or status in _TURNED_AWAY)
        return Trouble(said, headers.get("x-should-retry") != "false", asked_pause_s(headers), certain=certain)
    advice = _ADVICE.get(404 if status < 400 else status, "asking again would not help").format(model=model)
    advice = advice if model or status != 404 else _NO_SUCH_BATCH
    return Trouble(f"{said}; {advice}", retry=False, certain=not event)


def _reason(error: APIStatusError) -> str:
    """Return what the body of an error says: the API's message, or a text where other servers put one."""
    body = error.body
    for name in ("error", "message", "detail"):
        body = body.get(name) or body if isinstance(body, dict) else body
    return str(body or "")


def asked_pause_s(headers: Mapping[str, Any]) -> float | None:
    """Return the pause that a server asks for, of any length: `retry-after-ms`, or `retry-after` in either form."""
    for name, factor in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = str(headers.get(name, ""))
        try:
            pause_s = float(text) * factor
        except ValueError:
            date = email.utils.parsedate_tz(text)
            pause_s = email.utils.mktime_tz(date) - time.time() if date else math.nan
        if math.isfinite(pause_s):
            return max(0.0, pause_s)
    return None
