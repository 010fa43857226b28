"""A campaign's goal: so many bits a pixel, at so much of a real encoder's PSNR there; and the distance from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log
from statistics import fmean
from types import MappingProxyType

from labkit.anchors import ANCHORS, AnchorShelf, find
from labkit.clip import Clip
from labkit.errors import RDError, SettingsError
from labkit.rd import RDCurve, RDPoint

FURTHER_CRFS = MappingProxyType(
    {
        "x265-medium": (42, 47, 51),
        "x265-slow": (42, 47, 51),
        "x264-medium": (44, 49, 51),
        "svt-av1": (63,),
        "vp9": (63,),
    }
)
"""Beyond an anchor's own, up to what the encoder knows; for the goal only.

A BD-rate needs half of the anchor's PSNR range in common: with these in it, codecs that go down to QP 37 had none.
The rate of the default goal lies within the own CRFs of x265-medium on 1 of 10 clips of 9 frames (176x144 to
1280x720), with these on all 10. VP9 ends above it on some.
"""

FURTHER_QPS = (42, 47, 52, 57)
"""The same for a candidate: where its curve must go on if the goal's PSNR lies below what QP 37 gives."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Goal:
    """A rate, as bits a pixel of one format, and the share of an anchor's PSNR at that rate that is wanted.

    Attributes:
        mbps: megabits (10^6 bits) a second for `width` x `height` at `fps`; other formats get the same bits a pixel.
        psnr_share: of the decibels that the anchor has at that rate; 0.95 allows 5 % fewer, above 1 asks for more.
        anchor: the real encoder, by its name in `labkit.anchors`.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    mbps: float = 1.0
    width: int = 1920
    height: int = 1080
    fps: float = 30.0
    psnr_share: float = 0.95
    anchor: str = "x265-medium"

    def __post_init__(self) -> None:
        for name in ("mbps", "width", "height", "fps", "psnr_share"):
            value = getattr(self, name)
            if not (value > 0 and isfinite(value)):
                raise ValueError(f"{name} = {value:g}: must be above 0")
        if self.anchor not in ANCHORS:
            raise ValueError(f"anchor = {self.anchor!r}: no anchor is called so; there are {', '.join(ANCHORS)}")

    @property
    def bits_per_pixel(self) -> float:
        """Bits for each luma sample."""
        return self.mbps * 1e6 / (self.width * self.height * self.fps)

    def target_kbps(self, width: int, height: int, fps: float) -> float:
        """Return the goal's rate for clips of that format."""
        return self.bits_per_pixel * width * height * fps / 1000

    def __str__(self) -> str:
        return (
            f"{self.mbps:g} Mbps at {self.width}x{self.height}, {self.fps:g} fps ({self.bits_per_pixel:.4f} bits a "
            f"pixel), with {100 * self.psnr_share:g} % of the PSNR of {self.anchor} there"
        )


@dataclass(frozen=True)
class GoalDistance:
    """How far a codec is from the goal on one clip; nothing is extrapolated, so any number may be missing.

    Attributes:
        target_kbps: the goal's rate for the clip's format.
        anchor_psnr_db: what the anchor has at that rate; None if it was not measured around it.
        wanted_psnr_db: the goal's share of that.
        psnr_at_rate_db: what the codec has at the goal's rate; None beyond its measured range.
        rate_at_psnr_kbps: what the codec needs for the wanted PSNR; None beyond its measured range.
        rate_ratio: that by the goal's rate; lower is better, 1 or less has reached it.
        reached: whether it is known to need no more than the goal's rate.
        reason: why there is no ratio; "" where there is one.
    """

    clip: str
    target_kbps: float
    anchor_psnr_db: float | None = None
    wanted_psnr_db: float | None = None
    psnr_at_rate_db: float | None = None
    rate_at_psnr_kbps: float | None = None
    rate_ratio: float | None = None
    reached: bool = False
    reason: str = ""

    def beyond(self, points: Sequence[RDPoint]) -> bool:
        """Return whether `points` end above the wanted PSNR and rate: more at higher QPs would tell the distance."""
        if self.wanted_psnr_db is None or not points:
            return False
        lowest = min(points, key=lambda point: point.rate_kbps)
        return lowest.psnr_db > self.wanted_psnr_db and lowest.rate_kbps > self.target_kbps


def distance(
    goal: Goal, points: Sequence[RDPoint], anchor_points: Sequence[RDPoint], width: int, height: int, fps: float
) -> GoalDistance:
    """Return how far a codec is from the goal on one clip.

    Args:
        points: of the codec, at least one, all of one clip.
        anchor_points: of the goal's anchor on the same clip; see `measure_anchor`.
        width: of the clip; `height` and `fps` its too.

    Raises:
        ValueError: the points are not of one and the same clip.
    """
    if len({point.clip_hash for point in (*points, *anchor_points)}) != 1 or not points:
        raise ValueError("the codec's and the anchor's points must be of one clip, the same frames")
    target_kbps, clip = goal.target_kbps(width, height, fps), points[0].clip
    try:
        anchor_db = RDCurve.of(goal.anchor, anchor_points).psnr_at(target_kbps)
    except RDError as error:
        return GoalDistance(clip, target_kbps, reason=f"the goal has no PSNR here: {error}")
    codec = RDCurve.of("the codec", points)
    try:
        psnr_at_rate = codec.psnr_at(target_kbps)
    except RDError:
        psnr_at_rate = None  # the ratio below is what counts, and says why if there is none
    wanted_db = goal.psnr_share * anchor_db
    try:
        rate = codec.rate_at(wanted_db)
    except RDError as error:
        reached, reason = _beyond(codec, wanted_db, target_kbps, str(error))
        return GoalDistance(clip, target_kbps, anchor_db, wanted_db, psnr_at_rate, reached=reached, reason=reason)
    ratio = rate / target_kbps
    return GoalDistance(clip, target_kbps, anchor_db, wanted_db, psnr_at_rate, rate, ratio, ratio <= 1 + _ROUNDING)


def _beyond(codec: RDCurve, wanted_db: float, target_kbps: float, error: str) -> tuple[bool, str]:
    """Return whether the goal is reached for certain though the wanted PSNR lies beyond the curve, and the reason."""
    try:
        codec.check()
    except RDError:
        return False, error
    lowest_kbps, lowest_db = codec.rates_kbps[0], codec.psnr_db[0]
    if wanted_db > codec.psnr_db[-1]:
        return False, f"{error}: measure it at lower QPs"
    if lowest_kbps <= target_kbps:
        return True, f"its lowest rate, {lowest_kbps:.2f} kbps, gives {lowest_db:.2f} dB, more than {wanted_db:.2f}"
    return False, f"{error}: measure it at higher QPs"


def lower(point: RDPoint, points: Sequence[RDPoint]) -> bool:
    """Return whether a point goes on below all others: a codec's coarsest step is reached where it does not."""
    return all(point.rate_kbps < other.rate_kbps and point.psnr_db < other.psnr_db for other in points)


def mean_ratio(distances: Sequence[GoalDistance]) -> float | None:
    """Return the geometric mean of the rate ratios over the clips where the goal has a PSNR, lower is better.

    None if one of those has no ratio, or there is none.
    """
    ratios = [found.rate_ratio for found in distances if found.wanted_psnr_db is not None]
    known = [log(ratio) for ratio in ratios if ratio is not None]
    return exp(fmean(known)) if known and len(known) == len(ratios) else None


def measure_anchor(shelf: AnchorShelf, clip: Clip, goal: Goal) -> tuple[RDPoint, ...]:
    """Return the points of the goal's anchor on a clip: its own CRFs and `FURTHER_CRFS`, each encoded once and kept.

    Raises:
        AnchorError: the encoder is missing or fails on this clip.
    """
    spec = find(goal.anchor)
    return tuple(shelf.point(clip, spec, crf) for crf in (*spec.crfs, *FURTHER_CRFS.get(goal.anchor, ())))


def check_goal(goal: Goal, anchors: Mapping[str, Sequence[RDPoint]], clips: Sequence[Clip]) -> None:
    """Refuse a goal at whose rate the anchor was measured on none of the clips.

    Args:
        anchors: points of the goal's anchor by the name of the clip; see `measure_anchor`.

    Raises:
        SettingsError: naming the goal's rate and the anchor's nearest range, and what to do.
    """
    misses: list[tuple[float, str, str]] = []
    for clip in clips:
        target = goal.target_kbps(clip.width, clip.height, float(clip.fps))
        curve = RDCurve.of(goal.anchor, anchors.get(clip.name, ()))
        try:
            curve.psnr_at(target)
        except RDError as error:
            misses.append(_miss(curve, target, clip.name, str(error)))
        else:
            return
    if misses:
        _, why, advice = min(misses)
        raise SettingsError(
            f"[goal] asks for {goal}, but that rate was measured on no clip; nearest is {why}; {advice}"
        )


def _miss(curve: RDCurve, target_kbps: float, clip: str, error: str) -> tuple[float, str, str]:
    """Return how far beyond the anchor's range a rate is (factor, as ln), in words, and what to do."""
    try:
        curve.check()
    except RDError:
        return float("inf"), f"{clip}: {error}", "take other clips or another anchor"
    low, high = curve.rates_kbps[0], curve.rates_kbps[-1]
    too_low = target_kbps < low
    return (
        log(low / target_kbps) if too_low else log(target_kbps / high),
        f"{clip}, where it asks for {target_kbps:.1f} kbps and {curve.label} has {low:.1f} to {high:.1f}",
        "raise mbps, or take larger clips or more frames" if too_low else "lower mbps",
    )
