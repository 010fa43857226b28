"""What rate points still to come cannot change: the proof that a challenger cannot win any more. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf, log
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from labkit.adopt.limits import as_charged, surely_over_limits
from labkit.adopt.rules import BdRateRule, ParetoRule, Rule, ThresholdRule
from labkit.adopt.versus import ROUNDING_PCT, times_changed
from labkit.candidate import CodeQuality, Evaluation
from labkit.container import Container, Form
from labkit.errors import RDError
from labkit.rd import MIN_COMMON, RDCurve, RDPoint, bd_rate

SMALLEST_BYTES = len(Container(Form.CLIP, 0, 2, 2, Fraction(1), 1, (b"",)).data)
"""No container is smaller: its header and one empty payload."""

_Floats = NDArray[np.float64]
_CELLS = 2000
_SLACK_LN = 1e-9
_SLACK_PCT = 1e-6
"""A bound must beat its threshold by more than floats may be off."""


def cannot_win(
    points: Sequence[RDPoint],
    champion: Evaluation | None,
    rule: Rule,
    code: CodeQuality | None = None,
    champion_code: CodeQuality | None = None,
) -> str:
    """Return the proof that no further points can make `judge` adopt the challenger, in one sentence; "" if none.

    Args:
        points: the challenger's so far: some of the champion's clips and QPs, each measured once at most.
        champion: the version to beat; None for a first version: only limits can end that.
        code: of the challenger's source, `champion_code` of the champion's; needed if the rule asks about them.

    Raises:
        ValueError: a point is none of the champion's clips and QPs, or `code` is missing.
    """
    parts = _parts(as_charged(points, rule, code), as_charged(champion.points, rule, champion_code) if champion else ())
    reason = next(iter(surely_over_limits(points, champion, rule, code)), "")
    reason = reason or (_lost(parts, points, champion, rule) if champion else "")
    planned = f" of {len(champion.points)}" if champion else ""
    return f"after {len(points)}{planned} rate points it cannot win any more: {reason}" if reason else ""


@dataclass(frozen=True)
class _Part:
    """One clip: the challenger's points so far and the champion's."""

    clip: str
    ours: tuple[RDPoint, ...]
    theirs: tuple[RDPoint, ...]

    @property
    def left(self) -> int:
        return len(self.theirs) - len(self.ours)

    @cached_property
    def least_pct(self) -> float:
        """The BD-rate if all points are there, else a bound below it, percent.

        Raises:
            RDError: there is no BD-rate, whatever comes.
        """
        anchor, test = RDCurve.of("the champion", self.theirs), RDCurve.of("the challenger", self.ours)
        anchor.check()
        test.check_points()
        if not self.left:
            return bd_rate(anchor, test)
        known = self.theirs[0]
        return least_bd_rate(anchor, test, known.rate_kbps / known.bytes * SMALLEST_BYTES)

    @property
    def least_told(self) -> str:
        return f"{'at least ' if self.left else ''}{self.least_pct:+.2f} %"


def _parts(points: Sequence[RDPoint], theirs: Sequence[RDPoint]) -> list[_Part]:
    """Return the clips in the champion's order."""
    keys = [(point.clip, point.clip_hash, point.qp) for point in points]
    planned = {(point.clip, point.clip_hash, point.qp) for point in theirs}
    foreign = set(keys) - planned if theirs else set()
    if foreign or len(set(keys)) < len(keys):
        clip, _, qp = min(foreign) if foreign else max(keys, key=keys.count)
        raise ValueError(f"{clip} at QP {qp}: the champion was not measured there, or the challenger twice")
    return [
        _Part(clip, tuple(p for p in points if p.clip == clip), tuple(p for p in theirs if p.clip == clip))
        for clip in dict.fromkeys(point.clip for point in theirs)
    ]


def _lost(parts: Sequence[_Part], points: Sequence[RDPoint], champion: Evaluation, rule: Rule) -> str:
    if isinstance(rule, ThresholdRule):
        # its mean of decibels has no bound above, and a file of no bytes to come would make up for any other
        lossless = next((point for point in points if point.psnr_db == inf), None)
        return f"{lossless.clip} at QP {lossless.qp} is lossless: no mean over points exists" if lossless else ""
    if isinstance(rule, BdRateRule) and (low := [p for p in points if p.worst_block_db < rule.min_worst_block_db]):
        return (
            f"a block of {low[0].clip} at QP {low[0].qp} has {low[0].worst_block_db:.1f} dB, "
            f"the floor is {rule.min_worst_block_db:.1f} dB"
        )
    for part in parts:
        try:
            _ = part.least_pct
        except RDError as error:
            return f"{part.clip}: no BD-rate, whatever comes: {error}"
    return (
        _lost_by_rate(parts, rule) if isinstance(rule, BdRateRule) else _lost_by_margins(parts, points, champion, rule)
    )


def _lost_by_rate(parts: Sequence[_Part], rule: BdRateRule) -> str:
    for part in parts:
        if part.least_pct > rule.max_clip_loss_pct + (_SLACK_PCT if part.left else ROUNDING_PCT):
            return f"{part.clip} got worse: {part.least_told}, the rule allows at most {rule.max_clip_loss_pct:+.2f} %"
    mean = fmean(part.least_pct for part in parts)
    if mean > -rule.min_gain_pct + _SLACK_PCT:
        shown = ", ".join(f"{part.clip} {part.least_told}" for part in parts)
        return f"at least {mean:+.2f} % on average ({shown}), the rule asks for {-rule.min_gain_pct:+.2f} % or less"
    return ""


def _lost_by_margins(parts: Sequence[_Part], points: Sequence[RDPoint], champion: Evaluation, rule: ParetoRule) -> str:
    least = {"rate": (fmean(part.least_pct for part in parts), rule.rate_margin_pct)}
    for what, change in times_changed(points, champion.points).items():  # of the whole: seconds only grow
        least[what] = (change, rule.time_margin_pct)
    for what, (change, margin) in least.items():
        if change > margin + _SLACK_PCT:
            return f"{what} at least {change:+.1f} %, the margin is {margin:g} %"
    if all(change > -margin + _SLACK_PCT for change, margin in least.values()):
        shown = ", ".join(f"{what} at least {change:+.1f} %" for what, (change, _) in least.items())
        return f"nothing can get better beyond its margin: {shown}"
    return ""


def least_bd_rate(anchor: RDCurve, test: RDCurve, floor_kbps: float) -> float:
    """Return a number that the BD-rate against `anchor` of any curve through the points of `test` is not below.

    Proof. Let T be ln(rate) over PSNR of the final curve, A that of the anchor, S the anchor's range [a, b].
    - T contains the points (p_1, r_1) ... (p_k, r_k) of `test`, and PCHIP through rising points rises. So
      T(p) >= ln r_i for p >= p_i; and T(p) >= ln(floor) everywhere, since no file is smaller. Call that bound L.
    - The common range [low, high] is the adversary's choice, within limits: low <= max(a, p_1) and
      high >= min(b, p_k), since T spans its points, and high - low >= S/2, else there is no BD-rate. So
      low <= low_most = min(max(a, p_1), b - S/2) and high >= high_least = max(min(b, p_k), a + S/2).
      The core [low_most, high_least] (nothing if that is turned around) is in the range; each part of the rest of
      [a, b] may be.
    - Let h = L - A, and c a number for which the integral of h - c over the core, plus that of min(0, h - c) over
      the rest, is not negative. Then the integral of h - c over [low, high] is not negative, so the mean of T - A
      over it is at least c. The largest such c is the least mean of h over the core and the k lowest parts of
      the rest, for any k.
    - Integration: [a, b] is cut into cells, also at the points and the core's ends. A rises and L is a step
      function that rises, so in a cell h is at least L at its left end minus A at its right end.
    Further points raise L and widen the core, so what is proven stays proven when more of them come in.
    The result is that c as percent, less an allowance for rounding.

    Args:
        anchor: a whole curve that rises.
        test: the points so far, rising, possibly none.
        floor_kbps: the rate of the smallest possible file, above 0.
    """
    widths, least, in_core = _cells(anchor, test, log(floor_kbps))
    order = np.argsort(least[~in_core])
    rest, rest_widths = least[~in_core][order], widths[~in_core][order]
    areas = np.concatenate([[(least * widths)[in_core].sum()], rest * rest_widths]).cumsum()
    lengths = np.concatenate([[widths[in_core].sum()], rest_widths]).cumsum()
    means = areas[lengths > 0] / lengths[lengths > 0]
    return float(np.expm1(means.min() - _SLACK_LN) * 100)


def _cells(anchor: RDCurve, test: RDCurve, floor_ln: float) -> tuple[_Floats, _Floats, NDArray[np.bool_]]:
    """Return for each cell its width in dB, the least T - A in it, and whether it is in the core."""
    a, b = anchor.psnr_db[0], anchor.psnr_db[-1]
    first, last = (test.psnr_db[0], test.psnr_db[-1]) if test.psnr_db else (inf, -inf)
    half = MIN_COMMON * (b - a)
    low_most = min(max(a, first), b - half)
    high_least = max(min(b, last), a + half)
    inner = [p for p in test.psnr_db if a < p < b]
    # all that the core's ends can ever be: a further point then only adds edges, and never lowers the bound
    edges = np.unique([*np.linspace(a, b, _CELLS + 1), *inner, b - half, a + half])
    left, right = edges[:-1], edges[1:]
    steps = np.array([floor_ln, *np.log(test.rates_kbps)])
    lower = steps[np.searchsorted(test.psnr_db, left, side="right")]
    return right - left, lower - anchor.ln_rate(right), (left >= low_most) & (right <= high_least)
