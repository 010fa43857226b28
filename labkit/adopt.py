"""The judge: the same evaluations and rule give the same verdict and the same reasons. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from statistics import fmean
from typing import Literal

from labkit.candidate import Evaluation
from labkit.rd import Comparison, RDCurve, RDPoint, compare

Anchors = Mapping[str, Mapping[str, Sequence[RDPoint]]]
"""Rate points of real encoders, by anchor name, then by clip name."""

REFERENCE = "x265-medium"

_ROUNDING_PCT = 1e-9
"""What the logarithms behind a BD-rate may be off: exactly 0.9 x the rate must count as -10 %."""


class Decision(StrEnum):
    """The two outcomes; a failed candidate is rejected, its failure is the reason."""

    ADOPTED = "adopted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Verdict:
    """What became of a challenger, and every reason, in words and numbers.

    Attributes:
        bd_rate_pct: mean over clips against the champion, percent; negative is better; None if there is none.
        by_clip: the same by clip, each with its number or the reason why there is none.
    """

    decision: Decision
    reasons: tuple[str, ...]
    bd_rate_pct: float | None = None
    by_clip: tuple[Comparison, ...] = ()

    @property
    def adopted(self) -> bool:
        """Whether the challenger becomes the champion."""
        return self.decision is Decision.ADOPTED


@dataclass(frozen=True)
class BdRateRule:
    """At least `min_gain_pct` less rate at equal quality on average, and no clip pays for it."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    kind: Literal["bd_rate"] = "bd_rate"
    min_gain_pct: float = 10.0
    max_clip_loss_pct: float = 2.0
    min_worst_block_db: float = 15.0


@dataclass(frozen=True)
class ThresholdRule:
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


@dataclass(frozen=True)
class ParetoRule:
    """Better in at least one of rate, encoding time, decoding time, and worse in none, beyond margins."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    kind: Literal["pareto"] = "pareto"
    rate_margin_pct: float = 1.0
    time_margin_pct: float = 15.0


Rule = BdRateRule | ThresholdRule | ParetoRule


def judge(challenger: Evaluation, champion: Evaluation | None, rule: Rule, anchors: Anchors | None = None) -> Verdict:
    """Return the verdict on `challenger`.

    Args:
        champion: the version to beat, measured on the same clips and QPs; None for a first version.
        anchors: real encoders on the same clips; only the threshold rule asks for them.
    """
    if challenger.failure is not None:
        return Verdict(Decision.REJECTED, (f"failed: {challenger.failure}",))
    if isinstance(rule, ThresholdRule):
        return _judge_threshold(challenger, champion, rule, anchors or {})
    if champion is None:
        return Verdict(Decision.ADOPTED, ("first version: there is no champion to beat",))
    by_clip = versus(challenger, champion.by_clip, "the champion")
    missing = [f"{c.clip}: no BD-rate: {c.reason}" for c in by_clip if c.bd_rate_pct is None]
    if missing:
        return Verdict(Decision.REJECTED, tuple(missing), None, by_clip)
    if isinstance(rule, BdRateRule):
        return _judge_bd_rate(challenger, by_clip, rule)
    return _judge_pareto(challenger, champion, by_clip, rule)


def versus(evaluation: Evaluation, reference: Mapping[str, Sequence[RDPoint]], label: str) -> tuple[Comparison, ...]:
    """Return the BD-rate of an evaluation against reference points of every clip, or why there is none.

    Args:
        reference: rate points by clip: a champion's (`Evaluation.by_clip`) or an anchor's.
        label: what the reference is called in a reason: "the champion", "x265-medium".
    """
    comparisons = []
    for clip in dict.fromkeys((*reference, *evaluation.clips)):  # a clip that one side lacks is no clip won
        ours, theirs = evaluation.on(clip), reference.get(clip, ())
        if {point.clip_hash for point in ours} != {point.clip_hash for point in theirs}:
            comparisons.append(Comparison(clip, None, "the two were not measured on the same frames"))
        else:
            comparisons.append(compare(RDCurve.of(label, theirs), RDCurve.of("the challenger", ours), clip))
    return tuple(comparisons)


def only_best(verdicts: Mapping[int, Verdict]) -> tuple[dict[int, Verdict], int | None]:
    """Let only the best of several would-be adoptions stand; the others are rejected and told so.

    Args:
        verdicts: of the candidates of one generation, by number.

    Returns:
        The verdicts after that, and the number of the adopted candidate, None if there is none.
    """
    adopted = [number for number, verdict in verdicts.items() if verdict.adopted]
    if not adopted:
        return dict(verdicts), None

    def rate(number: int) -> float:
        value = verdicts[number].bd_rate_pct
        return float("inf") if value is None else value

    best = min(adopted, key=rate)
    final = dict(verdicts)
    for number in adopted:
        if number != best:
            why = f"candidate {best} of the same generation was better: {_percent(verdicts[best].bd_rate_pct)}"
            reason = f"{why} against {_percent(verdicts[number].bd_rate_pct)}"
            final[number] = replace(verdicts[number], decision=Decision.REJECTED, reasons=(reason,))
    return final, best


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:+.2f} %"


def mean_bd_rate(by_clip: Sequence[Comparison]) -> float | None:
    """Return the mean over clips, percent; None if any clip has no number."""
    values = [comparison.bd_rate_pct for comparison in by_clip]
    return fmean(value for value in values if value is not None) if values and None not in values else None


def _judge_bd_rate(challenger: Evaluation, by_clip: tuple[Comparison, ...], rule: BdRateRule) -> Verdict:
    mean = _number(mean_bd_rate(by_clip))
    against = []
    if mean > -rule.min_gain_pct + _ROUNDING_PCT:
        against.append(f"{mean:+.2f} % on average, the rule asks for {-rule.min_gain_pct:+.2f} % or less")
    for comparison in by_clip:
        change = _number(comparison.bd_rate_pct)
        if change > rule.max_clip_loss_pct + _ROUNDING_PCT:
            against.append(
                f"{comparison.clip} got worse: {change:+.2f} %, the rule allows at most {rule.max_clip_loss_pct:+.2f} %"
            )
    worst = min(challenger.points, key=lambda point: point.worst_block_db)
    if worst.worst_block_db < rule.min_worst_block_db:
        against.append(
            f"a block of {worst.clip} at QP {worst.qp} has {worst.worst_block_db:.1f} dB, "
            f"the floor is {rule.min_worst_block_db:.1f} dB"
        )
    clips = ", ".join(f"{c.clip} {_number(c.bd_rate_pct):+.1f} %" for c in by_clip)
    won = f"{mean:+.2f} % rate at equal PSNR on average, the rule asks for {-rule.min_gain_pct:+.2f} % ({clips})"
    return _verdict(against, won, mean, by_clip)


def _judge_pareto(
    challenger: Evaluation, champion: Evaluation, by_clip: tuple[Comparison, ...], rule: ParetoRule
) -> Verdict:
    mean = _number(mean_bd_rate(by_clip))
    changes = {"rate": (mean, rule.rate_margin_pct)}
    for what, field in (("encoding time", "encode_cpu_s"), ("decoding time", "decode_cpu_s")):
        ours, theirs = (sum(getattr(p, field) for p in e.points) for e in (challenger, champion))
        if theirs > 0:
            changes[what] = (100 * (ours / theirs - 1), rule.time_margin_pct)
    shown = ", ".join(f"{what} {change:+.1f} %" for what, (change, _) in changes.items())
    against = [
        f"{what} got worse: {change:+.1f} %, the margin is {margin:g} %"
        for what, (change, margin) in changes.items()
        if change > margin
    ]
    if not any(change < -margin for change, margin in changes.values()):
        against.append(f"nothing got better beyond its margin: {shown}")
    return _verdict(against, f"better and nowhere worse: {shown}", mean, by_clip)


def _judge_threshold(
    challenger: Evaluation, champion: Evaluation | None, rule: ThresholdRule, anchors: Anchors
) -> Verdict:
    reference = [p for points in anchors.get(REFERENCE, {}).values() for p in points]
    pairs = _at_same_qp(challenger.points, reference)
    if len(pairs) < len(challenger.points):
        return Verdict(
            Decision.REJECTED, (f"{REFERENCE} was not measured on the same clips and QPs: no floor to hold",)
        )
    psnr = fmean(ours.psnr_db for ours, _ in pairs) / fmean(theirs.psnr_db for _, theirs in pairs)
    if not isfinite(psnr):  # one lossless point would lift any mean over the floor
        return Verdict(Decision.REJECTED, ("a lossless point: its PSNR is infinite, no mean over points exists",))
    against = []
    if psnr < rule.min_psnr_ratio:
        against.append(f"PSNR is {psnr:.3f} x that of {REFERENCE}, the rule asks for {rule.min_psnr_ratio:.3f} x")
    if champion is None:
        ratio = _rate_ratio(pairs)
        if ratio >= rule.first_chance_ratio:
            against.append(
                f"first version with {ratio:.2f} x the rate of {REFERENCE}, the limit is {rule.first_chance_ratio:g} x"
            )
        chance = "" if ratio < rule.first_rate_ratio else ", adopted to give it a chance"
        return _verdict(against, f"first version: {ratio:.2f} x the rate of {REFERENCE}{chance}", None, ())
    pairs = _at_same_qp(challenger.points, champion.points)
    if len(pairs) < max(len(challenger.points), len(champion.points)):
        return Verdict(Decision.REJECTED, ("the champion was not measured on the same clips and QPs",))
    if not all(point.raw_bytes for pair in pairs for point in pair):
        return Verdict(Decision.REJECTED, ("the size of the clips' samples is not recorded: no compression ratio",))
    ratio = _rate_ratio(pairs)
    gain = fmean(_compression(ours) for ours, _ in pairs) / fmean(_compression(theirs) for _, theirs in pairs)
    shown = f"{ratio:.3f} x the champion's rate, {gain:.2f} x its compression ratio"
    if ratio >= rule.max_rate_ratio and gain <= rule.min_compression_gain:
        against.append(
            f"{shown}; the rule asks for below {rule.max_rate_ratio:g} x or above {rule.min_compression_gain:g} x"
        )
    by_clip = versus(challenger, champion.by_clip, "the champion")
    return _verdict(against, f"{shown}; PSNR {psnr:.3f} x that of {REFERENCE}", mean_bd_rate(by_clip), by_clip)


def _verdict(against: list[str], won: str, mean: float | None, by_clip: tuple[Comparison, ...]) -> Verdict:
    decision = Decision.REJECTED if against else Decision.ADOPTED
    return Verdict(decision, tuple(against) or (won,), mean, by_clip)


def _at_same_qp(ours: Sequence[RDPoint], theirs: Sequence[RDPoint]) -> list[tuple[RDPoint, RDPoint]]:
    known = {(point.clip_hash, point.qp): point for point in theirs}
    return [(point, known[point.clip_hash, point.qp]) for point in ours if (point.clip_hash, point.qp) in known]


def _rate_ratio(pairs: Sequence[tuple[RDPoint, RDPoint]]) -> float:
    return fmean(ours.rate_kbps for ours, _ in pairs) / fmean(theirs.rate_kbps for _, theirs in pairs)


def _compression(point: RDPoint) -> float:
    return point.raw_bytes / point.bytes


def _number(value: float | None) -> float:
    """Return `value`, of which the caller has made sure that it is a number."""
    assert value is not None
    return value
