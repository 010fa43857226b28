"""The [claude] section of a campaign file: which model is asked, where, how, and what it costs."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from labkit.propose.prices import PRICES, PRICES_DATE, Price

EFFORTS = ("", "low", "medium", "high", "xhigh", "max")
_ABOVE_ZERO = ("timeout_s", "attempts", "lessons_every", "batch_poll_s")
_SECRET_NAMES = re.compile(r"auth|key|token|secret|password|cookie|credential", re.IGNORECASE)


@dataclass(frozen=True)
class ClaudeSettings:
    """How Claude is asked. The key is none of these: it stays in the environment or in a profile on disk.

    Attributes:
        model, lessons_model: who writes plans and code, and who rewrites lessons.
        base_url: without /v1; "" for ANTHROPIC_BASE_URL or the vendor's own.
        effort: "low" to "max"; "" leaves it to the server.
        structured_output: hand over the plan's JSON schema; local servers may not know it.
        headers: more headers for each request; never a key.
        prices: USD for a million tokens by model, before those of the shipped table.
        max_tokens_plan, max_tokens_code: the longest answers, thinking included.
        timeout_s: the longest silence of the server.
        attempts: for one answer, before the campaign stops.
        retry_first_s, retry_max_s: pauses of our own between attempts; what a server asks for is kept, however long.
        lessons_every: experiments after which lessons are rewritten.
        batch_poll_s: how often a message batch is looked at.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  (a class constant that settings read)

    model: str = "claude-opus-5-5"
    lessons_model: str = "claude-haiku-5-5"
    base_url: str = ""
    effort: str = "high"
    structured_output: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    max_tokens_plan: int = 12_000
    max_tokens_code: int = 32_000
    timeout_s: float = 600.0
    attempts: int = 10
    retry_first_s: float = 1.0
    retry_max_s: float = 60.0
    lessons_every: int = 10
    batch_poll_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.model or not self.lessons_model:
            raise ValueError("model and lessons_model need a model's name")
        if self.effort not in EFFORTS:
            raise ValueError(f"effort = {self.effort!r}: needs one of {', '.join(map(repr, EFFORTS))}")
        self._check_url()
        self._check_headers()
        for name, value in vars(self).items():
            if name.startswith(("max_tokens", "retry")) or name in _ABOVE_ZERO:
                _above_zero(name, value)

    def price(self, model: str) -> tuple[Price | None, str]:
        """Return a model's price and the date of its table ("settings" for one given there); None, "" if unknown."""
        if model in self.prices:
            return self.prices[model], "settings"
        return (PRICES[model], PRICES_DATE) if model in PRICES else (None, "")

    def _check_url(self) -> None:
        if not self.base_url:
            return
        parts = urlsplit(self.base_url)
        if parts.username or parts.password or parts.query:
            # the settings are stored with the campaign and shown
            raise ValueError("base_url holds a user, a password or a query: keys belong in the environment")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url = {self.base_url!r}: needs http:// or https:// and a host")
        if parts.path.rstrip("/").endswith("/v1"):
            raise ValueError(f"base_url = {self.base_url!r}: leave /v1 out, the SDK adds it")

    def _check_headers(self) -> None:
        for name in self.headers:
            if _SECRET_NAMES.search(name):
                raise ValueError(
                    f"headers: {name!r} looks like a key, and settings are stored and shown; export "
                    "ANTHROPIC_API_KEY, or ANTHROPIC_CUSTOM_HEADERS='Name: value' for another header"
                )


def _above_zero(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} = {value!r}: must be above 0")
