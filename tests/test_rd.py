"""BD-rate: closed forms, the bjontegaard package as an oracle, and every reason for no number."""

import warnings
from dataclasses import replace
from math import inf, nan

import bjontegaard
import numpy as np
import pytest

from labkit.errors import RDError
from labkit.rd import RDCurve, RDPoint, bd_rate, compare, rate_kbps

CURVE = RDCurve("x265", (100.0, 210.0, 420.0, 900.0), (30.0, 33.5, 36.2, 39.0))


def scaled(curve: RDCurve, factor: float) -> RDCurve:
    return replace(curve, label="test", rates_kbps=tuple(rate * factor for rate in curve.rates_kbps))


def shifted(curve: RDCurve, db: float) -> RDCurve:
    return replace(curve, label="test", psnr_db=tuple(psnr + db for psnr in curve.psnr_db))


@pytest.mark.parametrize(("factor", "percent"), [(0.9, -10), (1.0, 0), (1.25, 25), (2.0, 100), (0.01, -99)])
def test_scaling_every_rate_is_the_bd_rate(factor: float, percent: float) -> None:
    assert bd_rate(CURVE, scaled(CURVE, factor)) == pytest.approx(percent, abs=1e-9)


def test_swapping_the_curves_inverts_the_ratio() -> None:
    other = RDCurve("other", (90.0, 230.0, 400.0, 1000.0), (30.5, 34.0, 35.8, 39.4))
    there, back = bd_rate(CURVE, other), bd_rate(other, CURVE)
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1, abs=1e-12)


def test_a_better_psnr_on_an_exponential_curve_has_a_closed_form() -> None:
    # ln(rate) is a straight line over PSNR, doubling every 6 dB: 1.5 dB more is 2 ** (-1 / 4) of the rate
    psnr_db = (30.0, 34.0, 37.0, 42.0)
    line = RDCurve("line", tuple(100 * 2 ** ((p - 30) / 6) for p in psnr_db), psnr_db)
    assert bd_rate(line, shifted(line, 1.5)) == pytest.approx((2**-0.25 - 1) * 100, abs=1e-9)


def test_random_curves_agree_with_the_bjontegaard_package() -> None:
    seed = 20261121
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    compared = 0
    for _ in range(300):
        anchor, test = random_curve(rng, "anchor"), random_curve(rng, "test")
        try:
            ours = bd_rate(anchor, test)
        except RDError:
            continue
        compared += 1
        assert ours == pytest.approx(oracle(anchor, test), rel=1e-10, abs=1e-9)
    assert compared > 100


def test_only_the_common_range_counts() -> None:
    # beyond the anchor's range the test is absurdly expensive: never looked at
    longer = RDCurve("longer", (*CURVE.rates_kbps, 1e9), (*CURVE.psnr_db, 39.001))
    cut = RDCurve("line", tuple(100 * 2 ** ((p - 30) / 6) for p in (30, 32, 34, 36, 38)), (30, 32, 34, 36, 38))
    tail = replace(cut, rates_kbps=(*cut.rates_kbps[:4], 1e6))
    anchor = RDCurve("anchor", tuple(100 * 2 ** ((p - 30) / 6) for p in (30, 32, 33, 34)), (30, 32, 33, 34))
    assert bd_rate(CURVE, longer) < 50
    assert bd_rate(anchor, tail) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("db", [-4.0, 4.0])
def test_half_of_the_anchors_range_in_common_is_enough(db: float) -> None:
    line = RDCurve("line", (100.0, 200.0, 400.0, 800.0, 1600.0), (30.0, 32.0, 34.0, 36.0, 38.0))
    assert bd_rate(line, shifted(line, db)) == pytest.approx((2 ** (-db / 2) - 1) * 100, abs=1e-9)
    with pytest.raises(RDError, match=r"less than half of the latter in common; choose QPs"):
        bd_rate(line, shifted(line, db * 1.01))


def test_curves_apart_have_no_number_and_the_reason_names_both_ranges() -> None:
    with pytest.raises(RDError, match=r"test spans 53\.00-62\.00 dB, x265 30\.00-39\.00 dB: less than half"):
        bd_rate(CURVE, shifted(CURVE, 23))


@pytest.mark.parametrize(
    ("rates", "psnr_db", "reason"),
    [
        ((1.0, 2.0, 3.0), (30.0, 33.0, 36.0), "t has 3 rate points, BD-rate needs at least 4"),
        ((), (), "t has 0 rate points"),
        ((1.0, 2.0, 3.0, 4.0), (30.0, 33.0, 32.9, 36.0), r"does not rise.*2\.0 kbps 33\.00 dB, 3\.0 kbps 32\.90 dB"),
        ((1.0, 2.0, 3.0, 4.0), (30.0, 33.0, 33.0, 36.0), "does not rise from point to point"),
        ((1.0, 2.0, 2.0, 4.0), (30.0, 33.0, 34.0, 36.0), "does not rise from point to point"),
        ((1.0, 2.0, 3.0, 4.0), (30.0, 33.0, 36.0, inf), "t has a lossless point"),
        ((1.0, 2.0, 3.0, 4.0), (nan, 33.0, 36.0, 39.0), "a point without PSNR"),
        ((0.0, 2.0, 3.0, 4.0), (30.0, 33.0, 36.0, 39.0), "t has a point of 0 kbps, a rate must be above 0"),
    ],
)
def test_a_curve_that_cannot_be_compared_says_why(rates, psnr_db, reason) -> None:  # type: ignore[no-untyped-def]
    bad = RDCurve("t", rates, psnr_db)
    for pair in ((CURVE, bad), (bad, CURVE)):
        with pytest.raises(RDError, match=reason):
            bd_rate(*pair)
    comparison = compare(CURVE, bad, "clip")
    assert comparison.bd_rate_pct is None
    assert comparison.reason.startswith("t ")


def test_compare_gives_the_number_where_there_is_one() -> None:
    comparison = compare(CURVE, scaled(CURVE, 0.5), "clip")
    assert (comparison.clip, comparison.reason) == ("clip", "")
    assert comparison.bd_rate_pct == pytest.approx(-50, abs=1e-9)


@pytest.mark.parametrize(
    ("size", "frames", "fps", "kbps"), [(1000, 1, 1.0, 8.0), (125_000, 25, 25.0, 1000.0), (41_208, 90, 30.0, 109.888)]
)
def test_the_rate_is_kilobits_of_a_thousand_a_second(size: int, frames: int, fps: float, kbps: float) -> None:
    assert rate_kbps(size, frames, fps) == pytest.approx(kbps, rel=1e-12)


def test_a_curve_of_points_is_sorted_and_reads_the_metric_asked_for() -> None:
    points = [point(37, 10.0, 30.0, 29.0), point(22, 80.0, 40.0, 39.0), point(27, 40.0, 37.0, 36.0)]
    assert RDCurve.of("t", points) == RDCurve("t", (10.0, 40.0, 80.0), (30.0, 37.0, 40.0))
    assert RDCurve.of("t", points, metric="psnr_y_db").psnr_db == (29.0, 36.0, 39.0)


def point(qp: int, kbps: float, psnr_db: float, psnr_y_db: float) -> RDPoint:
    return RDPoint("clip", "0", qp, 1, kbps, psnr_db, psnr_y_db, psnr_db, 0.9, 20.0, 1.0, 1.0, "c", "b")


def random_curve(rng: np.random.Generator, label: str) -> RDCurve:
    count = int(rng.integers(4, 8))
    rates = np.cumsum(rng.uniform(5, 300, count)) * rng.uniform(0.5, 2)
    psnr_db = rng.uniform(27, 31) + np.cumsum(rng.uniform(0.3, 3, count))
    return RDCurve(label, tuple(map(float, rates)), tuple(map(float, psnr_db)))


def oracle(anchor: RDCurve, test: RDCurve) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns below 75 % of overlap
        curves = [np.array(values) for curve in (anchor, test) for values in (curve.rates_kbps, curve.psnr_db)]
        return float(bjontegaard.bd_rate(*curves, method="pchip", require_matching_points=False))
