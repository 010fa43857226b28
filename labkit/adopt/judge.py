"""The judge: the same evaluations and rule give the same verdict and the same reasons. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from statistics import fmean

from labkit.adopt.bounds import cannot_win
from labkit.adopt.limits import as_charged, over_limits
from labkit.adopt.rules import BdRateRule, ParetoRule, Rule, ThresholdRule
from labkit.adopt.versus import ROUNDING_PCT, mean_bd_rate, times_changed, versus
from labkit.candidate import CodeQuality, Evaluation
from labkit.rd import Comparison, RDPoint

Anchors = Mapping[str, Mapping[str, Sequence[RDPoint]]]
"""Rate points of real encoders, by anchor name, then by clip name."""

REFERENCE = "x265-medium"


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


def judge(
    challenger: Evaluation,
    champion: Evaluation | None,
    rule: Rule,
    anchors: Anchors | None = None,
    code: CodeQuality | None = None,
    champion_code: CodeQuality | None = None,
) -> Verdict:
    """Return the verdict on `challenger`.

    Args:
        champion: the version to beat, measured on the same clips and QPs; None for a first version.
        anchors: real encoders on the same clips; only the threshold rule asks for them.
        code: of the challenger's source, `champion_code` of the champion's; needed if the rule asks about them.

    Raises:
        ValueError: figures of a source are missing, or the challenger was stopped and might still have won.
    """
    if challenger.failure is not None:
        return Verdict(Decision.REJECTED, (f"failed: {challenger.failure}",))
    if challenger.stopped:
        return _judge_stopped(challenger, champion, rule, code, champion_code)
    over = over_limits(challenger.points, rule, code)
    challenger = replace(challenger, points=as_charged(challenger.points, rule, code))
    if champion is not None:
        champion = replace(champion, points=as_charged(champion.points, rule, champion_code))
    verdict = _judge_rate(challenger, champion, rule, anchors or {})
    if not over:
        return verdict
    reasons = (*over, *(() if verdict.adopted else verdict.reasons))
    return replace(verdict, decision=Decision.REJECTED, reasons=reasons)


def _judge_stopped(
    challenger: Evaluation,
    champion: Evaluation | None,
    rule: Rule,
    code: CodeQuality | None,
    champion_code: CodeQuality | None,
) -> Verdict:
    """Derive the proof again: what the evaluation says of itself decides nothing."""
    proof = cannot_win(challenger.points, champion, rule, code, champion_code)
    if not proof:
        raise ValueError(
            f"candidate {challenger.candidate[:12]} was stopped ({challenger.stopped}), but its "
            f"{len(challenger.points)} rate points do not prove that it cannot win; measure it whole"
        )
    by_clip: list[Comparison] = []
    for clip, theirs in champion.by_clip.items() if champion else ():
        if len(challenger.on(clip)) == len(theirs):
            ours = replace(challenger, points=as_charged(challenger.on(clip), rule, code))
            by_clip += versus(ours, {clip: as_charged(theirs, rule, champion_code)}, "the champion")
        else:
            by_clip.append(Comparison(clip, None, "not measured: stopped early"))
    return Verdict(Decision.REJECTED, (proof,), None, tuple(by_clip))


def _judge_rate(challenger: Evaluation, champion: Evaluation | None, rule: Rule, anchors: Anchors) -> Verdict:
    if isinstance(rule, ThresholdRule):
        return _judge_threshold(challenger, champion, rule, anchors)
    if champion is None:
        return Verdict(Decision.ADOPTED, ("first version: there is no champion to beat",))
    by_clip = versus(challenger, champion.by_clip, "the champion")
    missing = [f"{c.clip}: no BD-rate: {c.reason}" for c in by_clip if c.bd_rate_pct is None]
    if missing:
        return Verdict(Decision.REJECTED, tuple(missing), None, by_clip)
    if isinstance(rule, BdRateRule):
        return _judge_bd_rate(challenger, by_clip, rule)
    return _judge_pareto(challenger, champion, by_clip, rule)


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


def _judge_bd_rate(challenger: Evaluation, by_clip: tuple[Comparison, ...], rule: BdRateRule) -> Verdict:
    mean = _number(mean_bd_rate(by_clip))
    against = []
    if mean > -rule.min_gain_pct + ROUNDING_PCT:
        against.append(f"{mean:+.2f} % on average, the rule asks for {-rule.min_gain_pct:+.2f} % or less")
    for comparison in by_clip:
        change = _number(comparison.bd_rate_pct)
        if change > rule.max_clip_loss_pct + ROUNDING_PCT:
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
    for what, change in times_changed(challenger.points, champion.points).items():
        changes[what] = (change, rule.time_margin_pct)
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
