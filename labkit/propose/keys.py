"""Where the key comes from (the SDK finds it), and how it stays out of everything that is written or said."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any

import httpx2  # the SDK's own transport
from anthropic import Anthropic, AnthropicError, Timeout

from labkit.errors import ProposerStop
from labkit.propose.claude_settings import ClaudeSettings

CONNECT_S = 10.0
NO_KEY = (
    "no key for Claude: export ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN), or name a profile of the SDK with "
    "ANTHROPIC_PROFILE; a local server takes any text for a key, and --proposer recombine needs none"
)
_CARRIERS = ("authorization", "x-api-key")
_LOOKS_LIKE_A_KEY = re.compile(r"\bsk-[\w-]{4,}")
_SHORTEST_IN_DATA = 16
"""A local server's "key" may be an everyday word: replaced in an answer, it would spoil code."""


def connect_s(settings: ClaudeSettings) -> float:
    """Return how long a server may take to accept a connection."""
    return min(CONNECT_S, settings.timeout_s)


def open_client(settings: ClaudeSettings, key: str | None = None) -> Anthropic:
    """Return the SDK's client, which does not retry: each attempt has to be counted.

    Args:
        key: None for what the SDK finds: the environment, or a profile on disk.

    Raises:
        ProposerStop: there is no key, or one that no request could carry.
    """
    try:
        client = Anthropic(
            api_key=key,
            base_url=settings.base_url or None,
            timeout=Timeout(settings.timeout_s, connect=connect_s(settings)),
            max_retries=0,
            default_headers=dict(settings.headers),
        )
    except (AnthropicError, httpx2.InvalidURL, ValueError, TypeError) as error:
        why = one_line(f"{type(error).__name__}: {error}")
    else:
        why = _what_is_wrong(client)
        if not why:
            return client
        client.close()
    # raised out here, since an error in whose context the SDK's stands would carry the key along
    raise ProposerStop(Secrets({"x-api-key": key}).hide(why))


def _what_is_wrong(client: Anthropic) -> str:
    carried = {name.lower(): value for name, value in client.default_headers.items()}
    keys = [str(carried[name]).removeprefix("Bearer ") for name in _CARRIERS if name in carried]
    if not keys and client.credentials is None:
        return NO_KEY
    if not all(key.isascii() and key.isprintable() and key == key.strip() for key in keys):
        return "the key for Claude holds a line break, a blank at an end or a foreign letter; no request can carry it"
    return ""


class Secrets:
    """The texts that must never be written; `learn` adds those that a request carried."""

    def __init__(self, headers: Mapping[str, Any]) -> None:
        self._texts: set[str] = set()
        self.learn(headers)
        for line in os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "").splitlines():
            self._texts.add(line.partition(":")[2].strip())
        self._texts |= {os.environ.get(name, "") for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")}

    def learn(self, headers: Mapping[str, Any]) -> None:
        """Take the keys out of a request's headers."""
        for name, value in headers.items():
            if name.lower() in _CARRIERS and isinstance(value, str):
                self._texts.add(value.rpartition(" ")[2])

    def hide(self, text: str) -> str:
        """Return a message to people without any key, known or looking like one."""
        return _LOOKS_LIKE_A_KEY.sub("[key]", self._without(text, least=4))

    def hide_in(self, value: Any) -> Any:
        """Return JSON data without any known key."""
        text = json.dumps(value, ensure_ascii=False)
        hidden = self._without(text, least=_SHORTEST_IN_DATA)
        return value if hidden == text else json.loads(hidden)

    def _without(self, text: str, least: int) -> str:
        for secret in sorted(self._texts, key=len, reverse=True):
            if len(secret) >= least:
                text = text.replace(secret, "[key]")
        return text


def one_line(text: str, most: int = 240) -> str:
    """Return what a server said, fit for a terminal: one line, no control characters, not endless."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"
