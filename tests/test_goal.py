"""The goal: its rate in bits a pixel, the distance from it on curves whose answer is known, nothing extrapolated."""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from labkit.anchors import ANCHORS, AnchorShelf
from labkit.clip import Clip
from labkit.errors import RDError, SettingsError
from labkit.footage.library import find_clips
from labkit.goal import FURTHER_CRFS, Goal, GoalDistance, check_goal, distance, mean_ratio, measure_anchor
from labkit.metrics import Distortion
from labkit.rd import RDCurve, RDPoint

SIZE = (1920, 1080, 30.0)
"""The goal's own format: its rate is 1000 kbps."""


def points(
    psnr_db: Sequence[float] = (24, 28, 32, 36), factor: float = 1.0, clip: str = "bus", **changes: Any
) -> list[RDPoint]:
    """Points on a line: 1000 kbps at 30 dB, e times as much for each 4 dB, times `factor`."""
    made = []
    for db in psnr_db:
        rate = 1000 * factor * math.exp((db - 30) / 4)
        values = {"clip": clip, "clip_hash": clip, "qp": 30, "bytes": 1, "rate_kbps": rate, "psnr_db": db}
        values |= dict.fromkeys(("psnr_y_db", "psnr_yuv_db", "worst_block_db"), db)
        rest = {"ssim": 0.9, "encode_s": 1.0, "decode_s": 1.0, "candidate": "c", "bitstream_sha256": "b"}
        made.append(RDPoint(**(values | rest | changes)))
    return made


def test_the_default_goal_is_one_megabit_at_1080p30() -> None:
    goal = Goal()
    assert goal.bits_per_pixel == pytest.approx(1_000_000 / 62_208_000)
    assert goal.target_kbps(*SIZE) == pytest.approx(1000)
    assert goal.target_kbps(960, 540, 60.0) == pytest.approx(500)  # a quarter of the pixels, twice the frames
    assert str(goal) == (
        "1 Mbps at 1920x1080, 30 fps (0.0161 bits a pixel), with 95 % of the PSNR of x265-medium there"
    )


@pytest.mark.parametrize("factor", [0.25, 0.5, 0.999, 1.0, 1.001, 2.0, 5.0])
@pytest.mark.parametrize("share", [0.95, 1.0])
def test_the_distance_on_a_line(factor: float, share: float) -> None:
    found = distance(Goal(psnr_share=share), points(range(16, 40, 4), factor), points(), *SIZE)
    saved = math.exp((share - 1) * 30 / 4)  # the anchor has 30 dB; what is wanted is so much cheaper
    assert (found.clip, found.reason) == ("bus", "")
    assert (found.target_kbps, found.anchor_psnr_db) == pytest.approx((1000, 30))
    assert found.wanted_psnr_db == pytest.approx(30 * share)
    assert found.psnr_at_rate_db == pytest.approx(30 - 4 * math.log(factor))
    assert found.rate_at_psnr_kbps == pytest.approx(1000 * factor * saved)
    assert found.rate_ratio == pytest.approx(factor * saved)
    assert found.reached is (factor * saved <= 1)


def test_the_anchor_itself_is_at_the_goal_exactly() -> None:
    # a curve that bends: read from rate to PSNR and back it must be one curve
    bent = [
        point
        for db, rate in ((22.0, 300.0), (27.0, 700.0), (31.0, 1700.0), (34.0, 9000.0))
        for point in points([db], rate_kbps=rate)
    ]
    for mbps in (0.3, 0.5, 1.0, 1.7, 5.0, 9.0):
        found = distance(Goal(mbps=mbps, psnr_share=1.0), bent, bent, *SIZE)
        assert found.rate_ratio == pytest.approx(1.0, abs=1e-9)
        assert found.reached


def test_a_curve_is_read_both_ways_and_never_beyond_its_ends() -> None:
    curve = RDCurve.of("x", points())
    for db in (24.0, 25.5, 28.0, 33.3, 36.0):
        rate = 1000 * math.exp((db - 30) / 4)
        assert curve.rate_at(db) == pytest.approx(rate)
        assert curve.psnr_at(rate) == pytest.approx(db)
    low, high = curve.rates_kbps[0], curve.rates_kbps[-1]
    assert curve.psnr_at(math.nextafter(low, high)) == pytest.approx(24.0)
    assert curve.psnr_at(math.nextafter(high, low)) == pytest.approx(36.0)
    for db in (23.99, 36.01):
        with pytest.raises(RDError, match=f"x was measured from 24.00 to 36.00 dB, not at {db}"):
            curve.rate_at(db)
        with pytest.raises(RDError, match=r"x was measured from 223.13 to 4481.69 kbps, not at"):
            curve.psnr_at(1000 * math.exp((db - 30) / 4))
    with pytest.raises(RDError, match="3 rate points"):
        RDCurve.of("x", points([24, 28, 32])).psnr_at(1000)


@pytest.mark.parametrize(
    ("codec", "reached", "reason"),
    [
        (
            points([32, 34, 36, 38], 2.0),
            False,
            "the codec was measured from 32.00 to 38.00 dB, not at 28.50: measure it at higher QPs",
        ),
        (
            points([20, 22, 24, 26], 0.1),
            False,
            "the codec was measured from 20.00 to 26.00 dB, not at 28.50: measure it at lower QPs",
        ),
        (points([29, 34, 36, 38], 0.1), True, "its lowest rate, 77.88 kbps, gives 29.00 dB, more than 28.50"),
        (points([29, 34, 36], 0.1), False, "the codec has 3 rate points, BD-rate needs at least 4"),
        (points([24, 28, 32, math.inf]), False, "the codec has a lossless point: its PSNR is infinite, no average "),
    ],
)
def test_beyond_the_codecs_curve_there_is_no_ratio(codec: list[RDPoint], reached: bool, reason: str) -> None:
    found = distance(Goal(), codec, points(), *SIZE)
    assert (found.anchor_psnr_db, found.wanted_psnr_db) == pytest.approx((30, 28.5))
    assert (found.rate_at_psnr_kbps, found.rate_ratio, found.reached) == (None, None, reached)
    assert found.reason.startswith(reason)


def test_beyond_the_anchors_curve_there_is_no_goal() -> None:
    found = distance(Goal(mbps=0.2), points(), points(), *SIZE)
    assert found == GoalDistance(
        "bus",
        pytest.approx(200),
        reason="the goal has no PSNR here: x265-medium was measured from 223.13 to 4481.69 kbps, not at 200.00",
    )
    assert distance(Goal(), points(), [], *SIZE).reason.startswith("the goal has no PSNR here: x265-medium has 0 rate")


def test_points_of_two_clips_are_a_mistake_of_the_caller() -> None:
    for ours, theirs in ((points(clip="a"), points(clip="b")), ([], points()), ([], [])):
        with pytest.raises(ValueError, match="of one clip"):
            distance(Goal(), ours, theirs, *SIZE)


def test_the_mean_ratio_needs_every_clip_that_has_a_goal() -> None:
    half, double = GoalDistance("a", 1, 30, 28, None, 2, 0.5, True), GoalDistance("b", 1, 30, 28, None, 2, 8.0)
    nowhere, unknown = GoalDistance("c", 1), GoalDistance("d", 1, 30, 28)
    assert mean_ratio([half, double]) == pytest.approx(2.0)
    assert mean_ratio([half, double, nowhere]) == pytest.approx(2.0)
    assert mean_ratio([half, double, unknown]) is None
    assert mean_ratio([nowhere]) is None
    assert mean_ratio([]) is None


# --- what makes no sense ------------------------------------------------------------------------------


def clip(name: str, width: int = 1920, height: int = 1080) -> Clip:
    return Clip(name, np.zeros((1, width * height * 3 // 2), np.uint8), width, height, Fraction(30))


def test_a_goal_that_no_anchor_reaches_is_refused_with_both_sides() -> None:
    clips, anchors = [clip("bus"), clip("bike")], {"bus": points(), "bike": points([28, 30, 32, 34])}
    check_goal(Goal(), anchors, clips)
    check_goal(Goal(mbps=0.3), anchors, clips)  # on one of them
    with pytest.raises(SettingsError) as caught:
        check_goal(Goal(mbps=0.1), anchors, clips)
    assert str(caught.value) == (
        "[goal] asks for 0.1 Mbps at 1920x1080, 30 fps (0.0016 bits a pixel), with 95 % of the PSNR of x265-medium "
        "there, but that rate was measured on no clip; nearest is bus, where it asks for 100.0 kbps and x265-medium "
        "has 223.1 to 4481.7; raise mbps, or take larger clips or more frames"
    )
    with pytest.raises(SettingsError, match=r"nearest is bus, .* asks for 9000.0 kbps and .*; lower mbps"):
        check_goal(Goal(mbps=9.0), anchors, clips)
    with pytest.raises(SettingsError, match=r"bike: x265-medium has 0 rate points.*; take other clips or another"):
        check_goal(Goal(), {}, clips)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"mbps": 0}, "mbps = 0: must be above 0"),
        ({"fps": -1}, "fps = -1: must be above 0"),
        ({"psnr_share": math.nan}, "psnr_share = nan: must be above 0"),
        ({"mbps": math.inf}, "mbps = inf: must be above 0"),
        ({"anchor": "x265"}, f"anchor = 'x265': no anchor is called so; there are {', '.join(ANCHORS)}"),
    ],
)
def test_a_goal_without_sense_is_refused(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError) as caught:
        Goal(**given)
    assert str(caught.value) == line


def test_a_goal_is_a_section_of_settings() -> None:
    section = TypeAdapter(Goal)
    assert section.validate_python({"mbps": 2}) == Goal(mbps=2.0)
    assert section.validate_json(section.dump_json(Goal(fps=25))) == Goal(fps=25.0)
    with pytest.raises(ValidationError, match="mbsp"):
        section.validate_python({"mbsp": 2})
    with pytest.raises(ValidationError, match="mbps = -2: must be above 0"):
        section.validate_python({"mbps": -2})


# --- real encoders ------------------------------------------------------------------------------------


def test_further_crfs_go_on_where_the_anchors_own_end() -> None:
    for name, crfs in FURTHER_CRFS.items():
        assert min(crfs) > max(ANCHORS[name].crfs)
        assert list(crfs) == sorted(set(crfs))


@pytest.mark.slow
def test_the_default_goal_lies_within_the_anchor_on_the_built_in_clips(tmp_path: Path) -> None:
    clips = find_clips(["builtin"], 9)
    shelf, goal = AnchorShelf(tmp_path, Distortion), Goal()
    anchors = {clip.name: measure_anchor(shelf, clip, goal) for clip in clips}
    for clip in clips:
        found = distance(goal, anchors[clip.name], anchors[clip.name], clip.width, clip.height, float(clip.fps))
        assert found.anchor_psnr_db is not None, found.reason
        assert found.reached, found.reason
    check_goal(goal, anchors, clips)
    own = {name: [p for p in measured if p.qp in ANCHORS[goal.anchor].crfs] for name, measured in anchors.items()}
    with pytest.raises(SettingsError, match=r"raise mbps, or take larger clips or more frames$"):
        check_goal(goal, own, clips)
