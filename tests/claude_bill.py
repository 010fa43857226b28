"""What a Messages server counts: tokens, the prefix cache with its marks and lifetimes, and the bill.

It shares nothing with labkit, so that one can be held against the other: prices are written out again, sums are
Decimal.
"""

import hashlib
import json
import math
from decimal import Decimal
from typing import Any

LIFETIMES_S = {"5m": 300.0, "1h": 3600.0}
MOST_MARKS, LOOK_BACK = 4, 20
PRICES = {  # USD for a million tokens: input, output, cache read
    "claude-fable-5-2": ("8", "40", "0.20"),
    "claude-opus-5-5": ("4", "20", "0.20"),
    "claude-sonnet-5-5": ("2", "10", "0.10"),
    "claude-haiku-5-5": ("0.10", "0.50", "0.01"),
}


class Refused(Exception):  # noqa: N818  (the server's word, not an error of the test)
    """A request that the API answers with status 400."""


def count(text: str) -> int:
    """Return the tokens of a text by this server's rule: four bytes each."""
    return math.ceil(len(text.encode()) / 4)


def bill_usd(model: str, usage: dict[str, Any], batch: bool = False) -> Decimal:
    """Return what the vendor would charge; nothing for a local server's model."""
    if model not in PRICES:
        return Decimal(0)
    into, out, read = map(Decimal, PRICES[model])
    written = usage["cache_creation"]
    total = (
        usage["input_tokens"] * into
        + written["ephemeral_5m_input_tokens"] * into * Decimal("1.25")
        + written["ephemeral_1h_input_tokens"] * into * 2
        + usage["cache_read_input_tokens"] * read
        + usage["output_tokens"] * out
    )
    return total / 1_000_000 / (2 if batch else 1)


class PrefixCache:
    """The prompt cache: what stands before a mark is read if the same stood before an earlier request's mark."""

    def __init__(self, least_tokens: int = 1024) -> None:
        self.least_tokens = least_tokens
        self._until: dict[str, tuple[float, float]] = {}

    def charge(self, body: dict[str, Any], now_s: float) -> dict[str, Any]:
        """Return the input side of a request's usage, and remember its marked prefixes."""
        prefixes, marks = _prefixes(body)
        _check([ttl for _, ttl in marks])
        read = self._read(prefixes, [place for place, _ in marks], now_s)
        done, written = read, {"5m": 0, "1h": 0}
        for place, ttl in marks:
            name, tokens = prefixes[place]
            if tokens < self.least_tokens:
                continue
            if tokens > done:
                written[ttl] += tokens - done
                done = tokens
            self._until[name] = (now_s + LIFETIMES_S[ttl], LIFETIMES_S[ttl])
        return {
            "input_tokens": (prefixes[-1][1] if prefixes else 0) - done,
            "cache_creation_input_tokens": sum(written.values()),
            "cache_read_input_tokens": read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": written["5m"],
                "ephemeral_1h_input_tokens": written["1h"],
            },
        }

    def _read(self, prefixes: list[tuple[str, int]], marks: list[int], now_s: float) -> int:
        """Return the tokens of the longest known prefix: at a mark, or up to 20 blocks before one."""
        found = 0
        for mark in marks:
            for name, tokens in prefixes[max(0, mark - LOOK_BACK) : mark + 1]:
                until_s, lifetime_s = self._until.get(name, (-1.0, 0.0))
                if until_s > now_s:
                    self._until[name] = (now_s + lifetime_s, lifetime_s)  # being read keeps it alive
                    found = max(found, tokens)
        return found


def _prefixes(body: dict[str, Any]) -> tuple[list[tuple[str, int]], list[tuple[int, str]]]:
    """Return every prefix of a request (hash, tokens) in the order tools, system, messages, and its marks."""
    head = {key: body.get(key) for key in ("model", "output_config", "thinking", "tool_choice")}
    digest, tokens = hashlib.sha256(json.dumps(head).encode()), 0
    prefixes, marks = [], []
    for role, block in _blocks(body):
        mark = block.get("cache_control")
        plain = {key: value for key, value in block.items() if key != "cache_control"}
        digest.update(json.dumps([role, plain]).encode())
        tokens += count(plain["text"] if "text" in plain else json.dumps(plain))
        prefixes.append((digest.hexdigest(), tokens))
        if mark:
            marks.append((len(prefixes) - 1, mark.get("ttl", "5m")))
    return prefixes, marks


def _blocks(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = [("tool", tool) for tool in body.get("tools", ())]
    turns = [("system", body.get("system", [])), *((turn["role"], turn["content"]) for turn in body["messages"])]
    for role, content in turns:
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        found += [(role, block) for block in blocks]
    return found


def _check(ttls: list[str]) -> None:
    if len(ttls) > MOST_MARKS:
        raise Refused(f"a maximum of {MOST_MARKS} blocks with cache_control may be provided, found {len(ttls)}")
    if any(ttl not in LIFETIMES_S for ttl in ttls):
        raise Refused("cache_control.ttl: must be 5m or 1h")
    if "1h" in ttls[ttls.index("5m") :] if "5m" in ttls else False:
        raise Refused("a ttl='1h' cache_control block must not come after a ttl='5m' one")
