"""What tokens cost: a dated table, the cost of an answer, and the most that a request can cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.propose.exchange import Usage

PRICES_DATE = "2026-11"
MILLION = 1_000_000
BATCH_FACTOR = 0.5


@dataclass(frozen=True)
class Price:
    """USD for a million tokens.

    Attributes:
        cache_write_5m, cache_write_1h: None for 1.25 and 2 times `input`.
        most_input_tokens: the price of longer prompts is unknown; 0 where it holds for all.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  (a class constant that settings read)

    input: float
    output: float
    cache_read: float
    cache_write_5m: float | None = None
    cache_write_1h: float | None = None
    most_input_tokens: int = 0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"a price's {name} = {value!r}: needs a number from 0 up, USD for a million tokens")

    def written(self, ttl: str) -> float:
        """Return the price of writing to the cache for "5m" or "1h"; of plain input for ""."""
        if ttl == "1h":
            return 2 * self.input if self.cache_write_1h is None else self.cache_write_1h
        if ttl == "5m":
            return 1.25 * self.input if self.cache_write_5m is None else self.cache_write_5m
        return self.input


PRICES: Mapping[str, Price] = {
    "claude-fable-5-2": Price(8.0, 40.0, 0.20),
    "claude-opus-5-5": Price(4.0, 20.0, 0.20),
    "claude-sonnet-5-5": Price(2.0, 10.0, 0.10),
    "claude-haiku-5-5": Price(0.10, 0.50, 0.01, most_input_tokens=100_000),
}
"""The vendor's documentation of PRICES_DATE; a model that is not here has an unknown price."""


def cost_usd(usage: Usage, price: Price | None, batch: bool = False) -> float | None:
    """Return what an answer cost; None where the price is unknown."""
    if price is None or 0 < price.most_input_tokens < usage.prompt_tokens:
        return None
    total = (
        usage.input_tokens * price.input
        + usage.cache_write_5m_tokens * price.written("5m")
        + usage.cache_write_1h_tokens * price.written("1h")
        + usage.cache_read_tokens * price.cache_read
        + usage.output_tokens * price.output
    )
    return total / MILLION * (BATCH_FACTOR if batch else 1)


def worst_case_usd(
    input_tokens: int, max_tokens: int, price: Price | None, ttls: set[str], batch: bool = False
) -> float | None:
    """Return the most that a request can cost: nothing is cached, all is written at the dearest of its marks.

    Args:
        ttls: of the request's cache marks: "5m", "1h".
    """
    if price is None or 0 < price.most_input_tokens < input_tokens:
        return None
    dearest = max(price.written(ttl) for ttl in {"", *ttls})
    return (input_tokens * dearest + max_tokens * price.output) / MILLION * (BATCH_FACTOR if batch else 1)


def cache_ttls(value: Any) -> set[str]:
    """Return the lifetimes of all cache marks in a request."""
    if isinstance(value, dict):
        mark = value.get("cache_control")
        own = {str(mark.get("ttl", "5m"))} if isinstance(mark, dict) else set()
        return own.union(*map(cache_ttls, value.values()))
    return set().union(*map(cache_ttls, value)) if isinstance(value, list) else set()


def dearest(request: dict[str, Any]) -> str:
    """Return the longest lifetime among a request's cache marks: how unspecified cache writes are counted."""
    return "1h" if "1h" in cache_ttls(request) else "5m"
