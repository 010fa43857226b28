"""The judgement on clips that no proposer has seen: a would-be adoption must not lose there. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from labkit.adopt.limits import as_charged
from labkit.adopt.rules import Rule
from labkit.adopt.versus import ROUNDING_PCT, versus
from labkit.candidate import Check, CodeQuality, Evaluation
from labkit.errors import RDError
from labkit.rd import Comparison, RDCurve

KIND = "held out"


def judge_held_out(
    challenger: Evaluation,
    champion: Evaluation | None,
    rule: Rule,
    code: CodeQuality | None = None,
    champion_code: CodeQuality | None = None,
) -> Check:
    """Return whether the challenger holds the champion's rate on held-out clips, within the rule's margin.

    A failure does not pass. A clip where the champion has no curve to compare with (it does not rise, or has a
    lossless point) is left out and named; where only the challenger has none, it does not pass. With no number at
    all nothing is known, and it does not pass, but for two cases without anything to lose: a first version, and a
    champion that failed there where the challenger did not.

    Args:
        challenger: measured whole on the held-out clips.
        champion: measured on the same; None for a first version.
        code: of the challenger's source, `champion_code` of the champion's; needed if the rule charges for it.

    Raises:
        ValueError: one of the two was stopped early, or figures of a source are missing.
    """
    if challenger.stopped or (champion and champion.stopped):
        raise ValueError("held-out clips are measured whole: an evaluation that was stopped decides nothing there")
    passed, detail = _compared(challenger, champion, rule, code, champion_code)
    return Check(KIND, passed, detail, challenger.failure, challenger.wall_s, challenger.cpu_s)


def _compared(
    challenger: Evaluation,
    champion: Evaluation | None,
    rule: Rule,
    code: CodeQuality | None,
    champion_code: CodeQuality | None,
) -> tuple[bool, str]:
    if challenger.failure is not None:
        return False, f"failed on held-out clips: {challenger.failure}"
    if champion is None:
        return True, f"first version: there is no champion to compare with on {_clips(len(challenger.clips))}"
    if champion.failure is not None:
        return True, f"nothing to lose: the champion failed on held-out clips, this one did not: {champion.failure}"
    ours = replace(challenger, points=as_charged(challenger.points, rule, code))
    theirs = replace(champion, points=as_charged(champion.points, rule, champion_code))
    by_clip = versus(ours, theirs.by_clip, "the champion")
    no_reference = {clip for clip, points in theirs.by_clip.items() if not _is_curve(RDCurve.of("", points))}
    lacking = [c for c in by_clip if c.bd_rate_pct is None and c.clip not in no_reference]
    if lacking:
        return False, "; ".join(f"{c.clip}: no BD-rate on a held-out clip: {c.reason}" for c in lacking)
    left_out = "".join(f"; {clip} left out: the champion has no curve there" for clip in sorted(no_reference))
    return _within(by_clip, rule.max_held_out_loss_pct, left_out)


def _within(by_clip: Sequence[Comparison], margin_pct: float, left_out: str) -> tuple[bool, str]:
    rates = {c.clip: c.bd_rate_pct for c in by_clip if c.bd_rate_pct is not None}
    if not rates:
        return False, f"no held-out clip gives a BD-rate{left_out}"
    mean = fmean(rates.values())
    shown = ", ".join(f"{clip} {rate:+.1f} %" for clip, rate in rates.items())
    detail = (
        f"{mean:+.2f} % rate at equal PSNR on average of {_clips(len(rates))}, "
        f"the rule allows at most {margin_pct:+.2f} % ({shown}){left_out}"
    )
    return mean <= margin_pct + ROUNDING_PCT, detail


def _is_curve(curve: RDCurve) -> bool:
    try:
        curve.check()
    except RDError:
        return False
    return True


def _clips(count: int) -> str:
    return f"{count} held-out clip{'' if count == 1 else 's'}"
