"""What cannot be won any more: whatever is proven from some points, no further points may change."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from labkit.adopt import BdRateRule, Decision, ParetoRule, Rule, ThresholdRule, cannot_win, judge, least_bd_rate
from labkit.candidate import CodeQuality, Evaluation
from labkit.rd import Comparison, RDCurve, RDPoint, bd_rate, compare

QPS = (22, 27, 32, 37)
FRAMES, FPS, RAW_BYTES = 9, 30.0, 9 * 320 * 192 * 3 // 2
SMALLEST_BYTES = 23  # of a container: its header and the length of an empty payload
BD, THRESHOLD, PARETO = BdRateRule(), ThresholdRule(), ParetoRule()


def point(clip: str, qp: int, size: float, psnr_db: float, **changes: object) -> RDPoint:
    """One rate point of a file of `size` bytes, a whole number of at least the smallest container's."""
    size = max(SMALLEST_BYTES, round(size))
    made = RDPoint(
        clip, f"hash of {clip}", qp, size, size * 8 * FPS / FRAMES / 1000, psnr_db, psnr_db, psnr_db, 0.9, 25.0,
        1.0, 0.5, "candidate", "bitstream", encode_cpu_s=1.0, decode_cpu_s=0.5, raw_bytes=RAW_BYTES, peak_mib=100.0,
    )  # fmt: skip
    return replace(made, **changes)


def measured(points: Sequence[RDPoint], stopped: str = "") -> Evaluation:
    return Evaluation("0123456789abcdef", "none", tuple(points), stopped=stopped)


def codec(rng: random.Random, clips: int = 3) -> Evaluation:
    """A codec with curves such as real ones have: 3 to 4 dB and a factor of about 2 from QP to QP."""
    points = []
    for clip in "abcdefgh"[:clips]:
        size, psnr_db = rng.uniform(400, 8000), rng.uniform(26, 34)
        for qp in reversed(QPS):
            points.append(point(clip, qp, size, psnr_db))
            size, psnr_db = size * rng.uniform(1.6, 2.6), psnr_db + rng.uniform(2.5, 4.5)
    return measured(sorted(points, key=lambda p: (p.clip, p.qp)))


def variant(rng: random.Random, champion: Evaluation, factors: dict[str, float], bend: float = 0.0) -> Evaluation:
    """The champion with each clip's rates scaled, more or less so towards high rates, and other PSNR at each QP."""
    points = []
    for index, theirs in enumerate(champion.points):
        tilt = 1 + bend * (QPS.index(theirs.qp) / 3 - 0.5)
        shift = rng.uniform(-0.4, 0.4)
        size = theirs.bytes * factors[theirs.clip] * tilt * 1.2**shift  # on the same curve, at another place of it
        points.append(point(theirs.clip, theirs.qp, size, theirs.psnr_db + shift, encode_cpu_s=1 + index % 2))
    return measured(points)


def plan(points: Sequence[RDPoint]) -> list[RDPoint]:
    """The points in the order of measurement: clip by clip, the highest QP, the lowest, then the rest."""
    places = {37: 0, 22: 1, 32: 2, 27: 3}
    clips = list(dict.fromkeys(p.clip for p in points))
    return sorted(points, key=lambda p: (clips.index(p.clip), places[p.qp]))


def stopped_after(challenger: Evaluation, champion: Evaluation, rule: Rule) -> tuple[int, str]:
    """Return after how many points it is stopped and the proof; all of them and "" if it is not."""
    order = plan(challenger.points)
    proofs = ((count, cannot_win(order[:count], champion, rule)) for count in range(1, len(order)))
    return next(((count, proof) for count, proof in proofs if proof), (len(order), ""))


# --- soundness ----------------------------------------------------------------------------------------


def wild(rng: random.Random, champion: Evaluation) -> Evaluation:
    """Anything between far better and far worse, sometimes with a fault, sometimes with curves that do not rise."""
    spread = rng.choice([0.02, 0.3, 1.5])
    whole = math.exp(rng.gauss(0.1, 0.5))
    points = []
    for theirs in champion.points:
        factor = whole * math.exp(rng.gauss(0, spread / 3))
        changes: dict[str, object] = {
            "encode_cpu_s": rng.uniform(0.5, 1.6),
            "decode_cpu_s": rng.uniform(0.1, 1.0),
            "worst_block_db": rng.choice([25.0] * 30 + [10.0]),
        }
        psnr_db = theirs.psnr_db + rng.gauss(0, spread) if rng.random() > 0.005 else math.inf
        points.append(point(theirs.clip, theirs.qp, theirs.bytes * factor, psnr_db, **changes))
    return measured(points)


def random_rule(rng: random.Random) -> Rule:
    limits = {"max_encode_s_per_mpixel": rng.choice([0.0, 0.0, 2.0]), "max_peak_mib": rng.choice([0.0, 150.0])}
    return rng.choice([
        BdRateRule(min_gain_pct=rng.uniform(0, 30), max_clip_loss_pct=rng.uniform(1, 20), **limits),
        BdRateRule(min_gain_pct=rng.uniform(-50, 0), max_clip_loss_pct=500.0, max_held_out_loss_pct=50.0, **limits),
        ParetoRule(rate_margin_pct=rng.uniform(0, 10), time_margin_pct=rng.uniform(0, 40), **limits),
        ThresholdRule(**limits),
    ])  # fmt: skip


@pytest.mark.slow
def test_whatever_is_proven_from_some_points_the_judge_says_of_all() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    proven = 0
    for _ in range(2200):
        champion = codec(rng, rng.randint(1, 4))
        challenger, rule = wild(rng, champion), random_rule(rng)
        some = rng.sample(challenger.points, rng.randint(0, len(challenger.points)))
        if proof := cannot_win(some, champion, rule):
            proven += 1
            verdict = judge(challenger, champion, rule)
            assert not verdict.adopted, (proof, verdict)
    assert proven > 300


def test_what_is_proven_stays_proven_when_more_points_come_in() -> None:
    # points are measured at once: those in flight arrive after the proof
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(150):
        champion = codec(rng, rng.randint(1, 3))
        challenger, rule = wild(rng, champion), random_rule(rng)
        order = rng.sample(challenger.points, len(challenger.points))
        proven = [bool(cannot_win(order[:count], champion, rule)) for count in range(len(order) + 1)]
        assert proven == sorted(proven), (order, rule)


def completions(rng: random.Random, some: Sequence[RDPoint], champion: Evaluation) -> Iterator[Evaluation]:
    """Yield whole evaluations with these points and the best that an adversary could add."""
    missing = [p for p in champion.points if (p.clip, p.qp) not in {(q.clip, q.qp) for q in some}]
    for _ in range(6):
        added = []
        for theirs in missing:
            known = [p for p in some if p.clip == theirs.clip]
            below = rng.choice(known) if known and rng.random() < 0.7 else None
            size = below.bytes + 1 if below else SMALLEST_BYTES + rng.randrange(5)  # all but for free
            highest = max([p.psnr_db for p in champion.points if p.clip == theirs.clip])
            above = below.psnr_db if below else rng.uniform(5, highest)
            gaps = [p.psnr_db - above for p in known if p.psnr_db > above] or [max(highest - above, 0) + 1]
            added.append(point(theirs.clip, theirs.qp, size, above + rng.choice([1e-6, 0.5, 0.999]) * min(gaps)))
        yield measured([*some, *added])


@pytest.mark.slow
def test_no_adversary_wins_what_is_proven_to_be_lost() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    proven = adopted = 0
    for _ in range(700):
        champion = codec(rng, rng.randint(1, 2))
        challenger = variant(rng, champion, {clip: math.exp(rng.gauss(0.3, 0.5)) for clip in "ab"}, rng.gauss(0, 0.3))
        rule = rng.choice([BD, BdRateRule(min_gain_pct=0.0, max_clip_loss_pct=50.0), PARETO])
        some = plan(challenger.points)[: rng.randint(1, len(challenger.points) - 1)]
        proof = cannot_win(some, champion, rule)
        for whole in completions(rng, some, champion):
            verdict = judge(whole, champion, rule)
            assert not (proof and verdict.adopted), (proof, verdict)
            adopted += verdict.adopted
        proven += bool(proof)
    assert proven > 100
    assert adopted > 20, "the adversary is no good, so this proves little"


# --- the bound of one clip ----------------------------------------------------------------------------

LINE = RDCurve("anchor", tuple(math.exp(p / 4) for p in (32, 35, 38, 42)), (32.0, 35.0, 38.0, 42.0))
"""ln(rate) is a straight line: a quarter for each dB, 2.5 over the range of 10 dB."""


def at(*pairs: tuple[float, float]) -> RDCurve:
    """A curve through points of the line's PSNR (dB) whose rates are so many times the line's."""
    return RDCurve("test", tuple(math.exp(p / 4) * f for p, f in pairs), tuple(p for p, _ in pairs))


@pytest.mark.parametrize(
    ("test", "ln_ratio"),
    [
        # a point at the low end: the rate may stay there up to the high end; the gap grows from 0 to 2.5
        (at((32, 3.0)), math.log(3) - 1.25),
        (at((30, 3.0)), math.log(3) - 0.5 - 1.25),  # below the range: all of the range lies above it
        (at((32, 3.0), (42, 3.0)), math.log(3) - 1.25),
        (at((32, 3.0), (37, 3.0), (42, 3.0)), math.log(3) - 0.625),  # two steps
        # nothing known but that a file costs 1 kbps, ln 0; worst where the anchor is dearest: at the top
        (RDCurve("test", (), ()), -10.5),
        # a point beyond the range tells nothing of what lies below it, but that the upper half is in the range
        (at((43, 9.0)), -(37 + 42) / 8),
    ],
)
def test_the_bound_of_a_straight_line(test: RDCurve, ln_ratio: float) -> None:
    found = least_bd_rate(LINE, test, 1.0)
    exact = 100 * math.expm1(ln_ratio)
    assert found <= exact
    assert math.log1p(found / 100) == pytest.approx(ln_ratio, abs=0.003)


def test_below_the_lowest_point_a_file_may_cost_next_to_nothing() -> None:
    # 34 to 37 dB must be in the range; the 2 dB below may be, with a rate of 1 kbps, and are worse than the mean
    core, below = 3 * (math.log(3) - 0.375), -2 * (32 + 34) / 8
    found = least_bd_rate(LINE, at((34, 3.0)), 1.0)
    assert math.log1p(found / 100) == pytest.approx((core + below) / 5, abs=0.01)


@pytest.mark.parametrize(
    ("known", "added"),
    [
        ([(32.0, 400.0)], [(36.0, 400.01), (39.0, 400.02), (42.0, 400.03)]),
        ([(32.0, 100.0), (36.0, 200.0), (42.0, 800.0)], [(35.999, 100.01), (41.999, 200.01)]),
        ([(32.0, 80.0), (39.0, 300.0), (42.0, 900.0)], [(38.999, 80.01), (41.999, 300.01)]),
    ],
)
def test_an_adversary_comes_close_to_the_bound(known: list[tuple[float, float]], added: list) -> None:
    anchor = RDCurve("anchor", (100.0, 200.0, 400.0, 800.0), (32.0, 36.0, 39.0, 42.0))
    some, whole = (
        RDCurve("t", *zip(*((r, p) for p, r in sorted(pairs)), strict=True)) for pairs in (known, known + added)
    )
    bound, exact = least_bd_rate(anchor, some, 1.0), bd_rate(anchor, whole)
    assert exact - 0.2 < bound <= exact


def test_half_of_the_range_must_be_in_common() -> None:
    # 31 to 37 dB at least is known to be in the range, though only its lower end is measured
    anchor = RDCurve("anchor", (100.0, 101.0, 102.0, 1e9), (32.0, 33.0, 37.0, 42.0))
    assert least_bd_rate(anchor, RDCurve("test", (200.0,), (32.0,)), 1.0) < 0
    flat = RDCurve("anchor", (100.0, 101.0, 102.0, 103.0), (32.0, 33.0, 37.0, 42.0))
    assert 94 < least_bd_rate(flat, RDCurve("test", (200.0,), (32.0,)), 1.0) < 100


def test_the_bound_is_below_every_curve_through_the_points() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    closest = math.inf
    for _ in range(1500):
        champion = codec(rng, 1)
        whole = wild(rng, champion).points
        anchor, test = RDCurve.of("anchor", champion.points), RDCurve.of("test", whole)
        some = RDCurve.of("test", rng.sample(whole, rng.randint(1, 3)))
        exact = compare(anchor, test, "a").bd_rate_pct
        if exact is None:
            continue
        bound = least_bd_rate(anchor, some, champion.points[0].rate_kbps / champion.points[0].bytes * SMALLEST_BYTES)
        assert bound <= exact
        closest = min(closest, math.log1p(exact / 100) - math.log1p(bound / 100))
    assert closest < 0.3


# --- as a campaign does it ----------------------------------------------------------------------------


def candidates(rng: random.Random, champion: Evaluation) -> Iterator[tuple[float, Evaluation]]:
    """Yield 60 candidates, each with its factor of rate on the first clip."""
    clips = champion.clips
    for first in (0.5, 0.6, 0.7, 0.8, 0.85, 0.88, 0.92, 0.97, 1.0, 1.03, 1.1, 1.21, 1.3, 1.5, 2.0, 3.0, 4.0):
        yield first, variant(rng, champion, dict.fromkeys(clips, first))
        yield first, variant(rng, champion, dict.fromkeys(clips, first), bend=rng.choice([-0.3, 0.3]))
        gains = {clip: first * rng.uniform(0.7, 1.3) for clip in clips}
        yield first, variant(rng, champion, {**gains, clips[0]: first})
    for bad in ({"worst_block_db": 3.0}, {"psnr_db": math.inf}, {"psnr_db": 20.0}):
        better = variant(rng, champion, dict.fromkeys(clips, 0.6))
        faulty = rng.randrange(len(better.points))
        yield 0.6, measured([replace(p, **bad) if i == faulty else p for i, p in enumerate(better.points)])
    for seconds in (0.1, 0.9, 1.1, 1.3, 2.0, 9.0):
        slow = variant(rng, champion, dict.fromkeys(clips, 0.8))
        yield 0.8, measured([replace(p, encode_cpu_s=seconds) for p in slow.points])


@pytest.mark.parametrize("rule", [BD, BdRateRule(min_gain_pct=0.0, max_clip_loss_pct=30.0), PARETO, THRESHOLD])
@pytest.mark.parametrize("clips", [2, 4])
def test_stopping_changes_no_verdict_and_saves_half_of_what_is_hopeless(rule: Rule, clips: int) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    champion = codec(rng, clips)
    decisions = []
    for first, challenger in candidates(rng, champion):
        whole = judge(challenger, champion, rule)
        count, proof = stopped_after(challenger, champion, rule)
        decisions.append(whole.decision)
        if proof:
            some = measured(plan(challenger.points)[:count], stopped=proof)
            assert judge(some, champion, rule).reasons == (proof,)
            assert whole.decision is Decision.REJECTED
        if rule == BD and first > 1.205:  # at least 20 % more on the first clip
            assert 2 * count <= len(challenger.points), proof
    assert len(decisions) == 60
    if rule is not THRESHOLD:  # it has no anchors here, so it adopts none
        assert set(decisions) == set(Decision)


# --- what is said -------------------------------------------------------------------------------------

SIZES = {22: 8000, 27: 4000, 32: 2000, 37: 1000}
PSNR_DB = {22: 42.0, 27: 39.0, 32: 36.0, 37: 32.0}


def scaled(clip: str, factor: float, qps: Sequence[int] = QPS, **changes: object) -> list[RDPoint]:
    return [replace(point(clip, qp, SIZES[qp] * factor, PSNR_DB[qp]), **changes) for qp in qps]


CHAMPION = measured([*scaled("foreman", 1.0), *scaled("akiyo", 1.0)])


CANNOT = "rate points it cannot win any more: "


@pytest.mark.parametrize(
    "points",
    [[], scaled("foreman", 1.0, [22, 37]), scaled("foreman", 1.02), scaled("foreman", 0.5), scaled("akiyo", 2.0, [37])],
)
def test_what_may_still_be_won_goes_on(points: list[RDPoint]) -> None:
    assert cannot_win(points, CHAMPION, BD) == ""


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (scaled("foreman", 1.2), "foreman got worse: +20.00 %, the rule allows at most +2.00 %"),
        (scaled("akiyo", 4.0, [37]), "akiyo got worse: at least +52.97 %, the rule allows at most +2.00 %"),
        (
            scaled("foreman", 0.5, [37], worst_block_db=14.9),
            "a block of foreman at QP 37 has 14.9 dB, the floor is 15.0 dB",
        ),
    ],
)
def test_the_proofs_of_the_bd_rate_rule(points: list[RDPoint], reason: str) -> None:
    assert cannot_win(points, CHAMPION, BD) == f"after {len(points)} of 8 {CANNOT}{reason}"


@pytest.mark.parametrize("rule", [BD, PARETO])
@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (
            scaled("foreman", 0.5, [22, 37], psnr_db=40.0),
            "the challenger does not rise from point to point: 13.3 kbps 40.00 dB, 106.7 kbps 40.00 dB",
        ),
        (scaled("foreman", 0.5, [27], psnr_db=math.inf), "the challenger has a lossless point: its PSNR is infinite, "),
        (
            [replace(p, psnr_db=p.psnr_db + 8) for p in scaled("foreman", 0.5)],
            "the challenger spans 40.00-50.00 dB, the champion 32.00-42.00 dB: less than half of the latter in common",
        ),
    ],
)
def test_a_clip_without_a_number_is_lost(rule: Rule, points: list[RDPoint], reason: str) -> None:
    said = cannot_win(points, CHAMPION, rule)
    assert said.startswith(f"after {len(points)} of 8 {CANNOT}foreman: no BD-rate, whatever comes: {reason}")


def test_the_mean_is_lost_when_the_other_clip_cannot_make_up_for_it() -> None:
    rule = BdRateRule(min_gain_pct=40.0, max_clip_loss_pct=50.0)
    assert cannot_win(scaled("foreman", 0.75), CHAMPION, rule) == ""
    assert cannot_win([*scaled("foreman", 0.75), *scaled("akiyo", 1.0, [37, 22, 32])], CHAMPION, rule) == (
        "after 7 of 8 rate points it cannot win any more: at least -33.50 % on average "
        "(foreman -25.00 %, akiyo at least -42.00 %), the rule asks for -40.00 % or less"
    )
    assert cannot_win(scaled("foreman", 0.75), CHAMPION, BdRateRule(min_gain_pct=63.0)).startswith(
        "after 4 of 8 rate points it cannot win any more: at least -62."  # akiyo: -100 % but for the smallest file
    )


def test_the_proofs_of_the_pareto_rule() -> None:
    def so_far(encode_cpu_s: float, decode_cpu_s: float = 0.5) -> str:
        changes = {"encode_cpu_s": encode_cpu_s, "decode_cpu_s": decode_cpu_s}
        return cannot_win(scaled("foreman", 0.9, **changes), CHAMPION, PARETO)

    assert so_far(2.29) == ""  # 4 x 2.29 of 8 s allow 9.2 s
    assert so_far(2.4).endswith("cannot win any more: encoding time at least +20.0 %, the margin is 15 %")
    assert so_far(1.0, 1.2).endswith("cannot win any more: decoding time at least +20.0 %, the margin is 15 %")
    rate = cannot_win([*scaled("foreman", 1.02), *scaled("akiyo", 3.0, [37, 22])], CHAMPION, PARETO)
    assert rate.endswith("cannot win any more: rate at least +8.4 %, the margin is 1 %")
    slow = [*scaled("foreman", 1.005), *scaled("akiyo", 1.5, [37, 32, 27])]
    slow = [replace(p, encode_cpu_s=1.0, decode_cpu_s=0.5) for p in slow]
    assert cannot_win(slow, CHAMPION, ParetoRule(rate_margin_pct=20.0, time_margin_pct=13.0)) == (
        "after 7 of 8 rate points it cannot win any more: nothing can get better beyond its margin: "
        "rate at least +2.3 %, encoding time at least -12.5 %, decoding time at least -12.5 %"
    )


def test_of_the_threshold_rule_little_can_be_proven() -> None:
    assert cannot_win(scaled("foreman", 90.0), CHAMPION, THRESHOLD) == ""
    lossless = scaled("foreman", 0.9, [22], psnr_db=math.inf)
    assert cannot_win(lossless, CHAMPION, THRESHOLD).endswith(
        "foreman at QP 22 is lossless: no mean over points exists"
    )


def test_a_champion_without_a_curve_cannot_be_beaten() -> None:
    flat = measured([replace(p, psnr_db=40.0) for p in CHAMPION.points])
    assert "whatever comes: the champion does not rise from point to point" in cannot_win([], flat, BD)
    assert not judge(CHAMPION, flat, BD).adopted


CODE = CodeQuality(5000, 2000, 100, 10, 30, 12, "encode", ("numpy",))


@pytest.mark.parametrize(
    ("rule", "proof"),
    [
        (BdRateRule(max_source_bytes=4999), "the source has 5,000 bytes, the limit is 4,999"),
        (BdRateRule(max_complexity=11), "encode() has complexity 12, the limit is 11"),
        (BdRateRule(max_peak_mib=99.5), "foreman at QP 37 took 100 MiB of memory, the limit is 99.5 MiB"),
        # 1 CPU second so far, 8 x 0.553 megapixels in all
        (BdRateRule(max_encode_s_per_mpixel=0.2), "encoding takes 0.226 CPU s per megapixel, the limit is 0.2 s"),
        (ParetoRule(max_decode_s_per_mpixel=0.1), "decoding takes 0.113 CPU s per megapixel, the limit is 0.1 s"),
        (ThresholdRule(max_decode_s_per_mpixel=0.12), ""),
    ],
)
def test_a_limit_that_is_passed_stays_passed(rule: Rule, proof: str) -> None:
    said = cannot_win(scaled("foreman", 0.5, [37]), CHAMPION, rule, CODE)
    assert said == (f"after 1 of 8 rate points it cannot win any more: {proof}" if proof else "")


def test_a_first_version_can_only_fail_a_limit() -> None:
    assert cannot_win(scaled("foreman", 9.0), None, BD) == ""
    said = cannot_win(scaled("foreman", 9.0), None, BdRateRule(max_peak_mib=50.0))
    assert said.startswith("after 4 rate points it cannot win any more: foreman at QP 22 took 100 MiB")


def test_points_that_the_champion_lacks_are_a_mistake_of_the_caller() -> None:
    for points in (scaled("bus", 1.0, [22]), scaled("akiyo", 1.0, [22], clip_hash="x"), scaled("akiyo", 1.0, [22, 22])):
        with pytest.raises(ValueError, match="at QP 22: the champion was not measured there, or the challenger twice"):
            cannot_win(points, CHAMPION, BD)


# --- the judge of a stopped evaluation ----------------------------------------------------------------


def test_the_judge_finds_the_proof_again_and_believes_no_text() -> None:
    stopped = measured([*scaled("foreman", 1.2), *scaled("akiyo", 0.5, [37])], stopped="because I say so")
    verdict = judge(stopped, CHAMPION, BD)
    assert verdict.decision is Decision.REJECTED
    assert verdict.reasons == (
        "after 5 of 8 rate points it cannot win any more: foreman got worse: +20.00 %, the rule allows at most +2.00 %",
    )
    assert verdict.bd_rate_pct is None
    assert verdict.by_clip == (
        Comparison("foreman", pytest.approx(20.0)),
        Comparison("akiyo", None, "not measured: stopped early"),
    )


def test_one_that_might_still_have_won_must_not_be_stopped() -> None:
    stopped = measured(scaled("foreman", 0.5), stopped="foreman got worse: +20.00 %")
    with pytest.raises(ValueError, match="4 rate points do not prove that it cannot win; measure it whole"):
        judge(stopped, CHAMPION, BD)
