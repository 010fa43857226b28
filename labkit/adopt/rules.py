"""The rules of adoption: what is asked of a challenger, in numbers; one that contradicts itself is refused."""

from dataclasses import dataclass
from typing import Literal

LIMITS = (
    "max_source_bytes", "max_complexity", "max_encode_s_per_mpixel", "max_decode_s_per_mpixel", "max_peak_mib",
)  # fmt: skip


MAX_BLOCK_DB = 100
"""More than any block of 8-bit samples has that is not exact."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What every kind of rule may ask besides: 0 is no limit.

    Attributes:
        max_held_out_loss_pct: mean BD-rate against the champion on held-out clips, at most; see `judge_held_out`.
        max_source_bytes: of the program's text as UTF-8.
        max_complexity: McCabe's figure of its most complex function.
        max_encode_s_per_mpixel: CPU seconds for a million luma samples, over all rate points; decoding the same.
        max_peak_mib: the largest peak memory of any process of any rate point.
        charge_source: whether the compressed source beyond `free_source_bytes` counts as part of every file.
    """

    max_held_out_loss_pct: float = 1.0
    max_source_bytes: int = 0
    max_complexity: int = 0
    max_encode_s_per_mpixel: float = 0.0
    max_decode_s_per_mpixel: float = 0.0
    max_peak_mib: float = 0.0
    charge_source: bool = False
    free_source_bytes: int = 20_000

    def __post_init__(self) -> None:
        for name in LIMITS:
            _at_least(self, name, 0, "0 is no limit")
        _at_least(self, "free_source_bytes", 0, "no source is shorter")
        _above(self, "max_held_out_loss_pct", -100, "no codec saves all of its bits")
        if self.charge_source and 0 < self.max_source_bytes <= self.free_source_bytes:
            raise ValueError(
                f"charge_source = true with free_source_bytes = {self.free_source_bytes} never charges anything: "
                f"max_source_bytes = {self.max_source_bytes} allows no longer source; raise the latter"
            )


@dataclass(frozen=True)
class BdRateRule(Terms):
    """At least `min_gain_pct` less rate at equal quality on average, and no clip pays for it."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    kind: Literal["bd_rate"] = "bd_rate"
    min_gain_pct: float = 10.0
    max_clip_loss_pct: float = 2.0
    min_worst_block_db: float = 15.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.min_gain_pct < 100:
            raise ValueError(f"min_gain_pct = {self.min_gain_pct:g}: must be below 100, no codec saves all of its bits")
        if not self.min_worst_block_db < MAX_BLOCK_DB:
            raise ValueError(
                f"min_worst_block_db = {self.min_worst_block_db:g}: must be below {MAX_BLOCK_DB}: "
                "only a block without any error has more"
            )
        for name, where in (("max_clip_loss_pct", "on every clip"), ("max_held_out_loss_pct", "on held-out clips")):
            if not getattr(self, name) >= -self.min_gain_pct:
                asked, content = getattr(self, name), -self.min_gain_pct
                raise ValueError(
                    f"min_gain_pct = {self.min_gain_pct:g} is content with {content:+g} % rate on average, but "
                    f"{name} = {asked:g} asks for {asked:+g} % {where}: the latter must be at least {content:g}"
                )


@dataclass(frozen=True)
class ThresholdRule(Terms):
    """The classic rule: clearly fewer bits at the same QPs, and quality near the reference encoder's.

    A first version, with no champion yet, is held against the reference's rate instead.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    kind: Literal["threshold"] = "threshold"
    max_rate_ratio: float = 0.9
    min_compression_gain: float = 1.2
    min_psnr_ratio: float = 0.95
    first_rate_ratio: float = 0.9
    first_chance_ratio: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_rate_ratio", "min_compression_gain", "first_rate_ratio", "first_chance_ratio"):
            _above(self, name, 0, "it is a ratio of sizes")
        _at_least(self, "min_psnr_ratio", 0, "it is a ratio of decibels")
        if self.first_rate_ratio > self.first_chance_ratio:
            raise ValueError(
                f"first_rate_ratio = {self.first_rate_ratio:g} welcomes a first version that "
                f"first_chance_ratio = {self.first_chance_ratio:g} turns away: the former must be at most the latter"
            )


@dataclass(frozen=True)
class ParetoRule(Terms):
    """Better in at least one of rate, encoding time, decoding time, and worse in none, beyond margins."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    kind: Literal["pareto"] = "pareto"
    rate_margin_pct: float = 1.0
    time_margin_pct: float = 15.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rate_margin_pct", "time_margin_pct"):
            _at_least(self, name, 0, "better and worse would be one")
        if min(self.rate_margin_pct, self.time_margin_pct) >= 100:
            raise ValueError(
                f"rate_margin_pct = {self.rate_margin_pct:g} and time_margin_pct = {self.time_margin_pct:g}: "
                f"nothing gets better by 100 %, so nothing could ever be adopted; one must be below 100"
            )


Rule = BdRateRule | ThresholdRule | ParetoRule


def _at_least(rule: Terms, name: str, least: float, why: str) -> None:
    value = getattr(rule, name)
    if not value >= least:  # a NaN is refused too
        raise ValueError(f"{name} = {value:g}: must be at least {least:g}: {why}")


def _above(rule: Terms, name: str, bound: float, why: str) -> None:
    value = getattr(rule, name)
    if not value > bound:
        raise ValueError(f"{name} = {value:g}: must be above {bound:g}: {why}")
