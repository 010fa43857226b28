"""The judge: every branch of every rule, on hand-made curves whose BD-rate is known.

Scaling every rate of a curve by f at the same PSNR gives a BD-rate of exactly 100 (f - 1) percent.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from math import inf, log2

import pytest

from labkit.adopt import (
    REFERENCE,
    BdRateRule,
    Decision,
    ParetoRule,
    Rule,
    ThresholdRule,
    Verdict,
    by_metric,
    judge,
    judge_held_out,
    mean_bd_rate,
    metric_conflicts,
    versus,
)  # fmt: skip
from labkit.candidate import CodeQuality, Evaluation, Failure, FailureKind, Stage
from labkit.rd import METRICS, Comparison, RDPoint

RATES_KBPS = {22: 800.0, 27: 400.0, 32: 200.0, 37: 100.0}
PSNR_DB = {22: 42.0, 27: 39.0, 32: 36.0, 37: 32.0}
RAW_BYTES = 1_000_000


def point(clip: str, qp: int, factor: float = 1.0, **changes: object) -> RDPoint:
    """One rate point: `factor` times the rate of the champion."""
    rate_kbps = RATES_KBPS[qp] * factor
    size = round(rate_kbps * 125)
    made = RDPoint(
        clip, f"hash of {clip}", qp, size, rate_kbps, PSNR_DB[qp], PSNR_DB[qp], PSNR_DB[qp], 0.9, 25.0, 1.0, 0.5,
        "candidate", "bitstream", encode_cpu_s=1.0, decode_cpu_s=0.5, raw_bytes=RAW_BYTES,
    )  # fmt: skip
    return replace(made, **changes)


def evaluation(factors: dict[str, float] | float = 1.0, **changes: object) -> Evaluation:
    by_clip = factors if isinstance(factors, dict) else {"foreman": factors, "akiyo": factors}
    return Evaluation(
        "candidate", "none", tuple(point(c, qp, f, **changes) for c, f in by_clip.items() for qp in PSNR_DB)
    )


def anchors(
    psnr_factor: float = 1.0, clips: Sequence[str] = ("foreman", "akiyo")
) -> dict[str, dict[str, list[RDPoint]]]:
    """x265 with the champion's rates, and `psnr_factor` times its PSNR."""
    points = {c: [point(c, qp, psnr_db=PSNR_DB[qp] * psnr_factor) for qp in PSNR_DB] for c in clips}
    return {REFERENCE: points, "x264-medium": {c: [point(c, qp, 9.0) for qp in PSNR_DB] for c in clips}}


def changed(original: Evaluation, clip: str, qp: int, **changes: object) -> Evaluation:
    """The evaluation with one of its points changed."""
    points = (replace(p, **changes) if (p.clip, p.qp) == (clip, qp) else p for p in original.points)
    return replace(original, points=tuple(points))


CHAMPION = evaluation()
BD, THRESHOLD, PARETO = BdRateRule(), ThresholdRule(), ParetoRule()
BROKEN = Evaluation("candidate", "none", failure=Failure(
    Stage.DECODE, FailureKind.TIMED_OUT, "60.0 s of CPU used, limit 60.0 s", "foreman", 32, 7,
))  # fmt: skip


@pytest.mark.parametrize("rule", [BD, THRESHOLD, PARETO])
@pytest.mark.parametrize("challenger", [evaluation(0.5), evaluation(1.5), evaluation({"akiyo": 0.5}), BROKEN])
def test_the_judge_is_pure(rule: Rule, challenger: Evaluation) -> None:
    given = (challenger, CHAMPION, rule, anchors())
    before = copy.deepcopy(given)
    first = judge(*given)
    assert first == judge(*given) == judge(*before)
    assert given == before
    assert first.reasons
    assert all(first.reasons)


@pytest.mark.parametrize("rule", [BD, THRESHOLD, PARETO])
@pytest.mark.parametrize("champion", [None, CHAMPION])
def test_a_failed_candidate_is_rejected_with_its_failure(rule: Rule, champion: Evaluation | None) -> None:
    verdict = judge(BROKEN, champion, rule, anchors())
    assert verdict == Verdict(
        Decision.REJECTED,
        ("failed: timed out (decode, foreman, QP 32, frame 7): 60.0 s of CPU used, limit 60.0 s",),
    )
    assert not verdict.adopted


@pytest.mark.parametrize("rule", [BD, PARETO])
def test_a_first_version_has_nobody_to_beat(rule: Rule) -> None:
    verdict = judge(evaluation(100.0), None, rule)
    assert verdict == Verdict(Decision.ADOPTED, ("first version: there is no champion to beat",))


# --- bd_rate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "adopted"), [(0.9, True), (0.90001, False), (0.89999, True), (0.5, True), (1.0, False), (0.95, False)]
)
def test_ten_percent_less_rate_is_enough(factor: float, adopted: bool) -> None:
    verdict = judge(evaluation(factor), CHAMPION, BD)
    assert verdict.adopted is adopted
    assert verdict.bd_rate_pct == pytest.approx(100 * (factor - 1), abs=1e-9)
    assert [c.clip for c in verdict.by_clip] == ["foreman", "akiyo"]
    assert all(c.bd_rate_pct == pytest.approx(100 * (factor - 1), abs=1e-9) for c in verdict.by_clip)


@pytest.mark.parametrize("gain_pct", [0.0, 1.0, 3.0, 7.0, 10.0, 12.5, 30.0, 33.0, 60.0])
def test_exactly_the_gain_asked_for_is_enough(gain_pct: float) -> None:
    rule = BdRateRule(min_gain_pct=gain_pct)
    assert judge(evaluation(1 - gain_pct / 100), CHAMPION, rule).adopted
    assert not judge(evaluation(1 - gain_pct / 100 + 1e-6), CHAMPION, rule).adopted


def test_the_reasons_of_the_bd_rate_rule() -> None:
    won = judge(evaluation({"foreman": 0.8, "akiyo": 0.7}), CHAMPION, BD)
    assert won.reasons == (
        "-25.00 % rate at equal PSNR on average, the rule asks for -10.00 % (foreman -20.0 %, akiyo -30.0 %)",
    )
    lost = judge(evaluation(0.95), CHAMPION, BD)
    assert lost.reasons == ("-5.00 % on average, the rule asks for -10.00 % or less",)


@pytest.mark.parametrize(("factor", "adopted"), [(1.0, True), (1.02, True), (1.0201, False), (1.03, False)])
def test_no_clip_pays_for_the_others(factor: float, adopted: bool) -> None:
    verdict = judge(evaluation({"foreman": factor, "akiyo": 0.5}), CHAMPION, BD)
    assert verdict.adopted is adopted
    if factor == 1.03:
        assert verdict.reasons == ("foreman got worse: +3.00 %, the rule allows at most +2.00 %",)
        assert verdict.bd_rate_pct == pytest.approx((3 - 50) / 2)


def test_every_fault_is_told() -> None:
    verdict = judge(changed(evaluation(2.0), "akiyo", 37, worst_block_db=3.0), CHAMPION, BD)
    assert verdict.reasons == (
        "+100.00 % on average, the rule asks for -10.00 % or less",
        "foreman got worse: +100.00 %, the rule allows at most +2.00 %",
        "akiyo got worse: +100.00 %, the rule allows at most +2.00 %",
        "a block of akiyo at QP 37 has 3.0 dB, the floor is 15.0 dB",
    )


@pytest.mark.parametrize(("worst_db", "adopted"), [(15.0, True), (14.9, False), (inf, True)])
def test_the_worst_block_has_a_floor(worst_db: float, adopted: bool) -> None:
    verdict = judge(changed(evaluation(0.5), "foreman", 32, worst_block_db=worst_db), CHAMPION, BD)
    assert verdict.adopted is adopted
    if not adopted:
        assert verdict.reasons == ("a block of foreman at QP 32 has 14.9 dB, the floor is 15.0 dB",)


@pytest.mark.parametrize("rule", [BD, PARETO])
@pytest.mark.parametrize(
    ("challenger", "reason"),
    [
        (evaluation({"foreman": 0.5, "akiyo": 0.5}, psnr_db=50.0), "does not rise from point to point"),
        (changed(evaluation(0.5), "akiyo", 22, psnr_db=38.9), "does not rise from point to point"),
        (changed(evaluation(0.5), "akiyo", 22, psnr_db=inf), "lossless point"),
        (changed(evaluation(0.5), "akiyo", 22, clip_hash="another"), "not measured on the same frames"),
        (evaluation({"foreman": 0.5}), "akiyo: no BD-rate: the two were not measured on the same frames"),
        (evaluation({"foreman": 0.5, "akiyo": 0.5, "bus": 0.5}), "bus: no BD-rate: the two were not"),
    ],
)  # fmt: skip
def test_an_unrelated_curve_is_a_rejection_with_that_reason(rule: Rule, challenger: Evaluation, reason: str) -> None:
    verdict = judge(challenger, CHAMPION, rule)
    assert verdict.decision is Decision.REJECTED
    assert verdict.bd_rate_pct is None
    assert any(reason in told for told in verdict.reasons)
    assert any(c.bd_rate_pct is None and c.reason in told for c in verdict.by_clip for told in verdict.reasons)


def test_curves_that_do_not_overlap_are_a_rejection_with_both_ranges() -> None:
    points = tuple(replace(p, psnr_db=p.psnr_db + 20) for p in evaluation(0.5).points)
    verdict = judge(replace(CHAMPION, points=points), CHAMPION, BD)
    assert not verdict.adopted
    assert verdict.reasons[0] == (
        "foreman: no BD-rate: the challenger spans 52.00-62.00 dB, the champion 32.00-42.00 dB: "
        "less than half of the latter in common; choose QPs that bring them closer"
    )


def test_too_few_points_are_a_rejection() -> None:
    few = replace(CHAMPION, points=tuple(p for p in evaluation(0.5).points if p.qp != 37))
    verdict = judge(few, CHAMPION, BD)
    assert not verdict.adopted
    assert verdict.reasons[0] == "foreman: no BD-rate: the challenger has 3 rate points, BD-rate needs at least 4"


def test_a_mean_needs_every_clip() -> None:
    assert mean_bd_rate((Comparison("a", -10.0), Comparison("b", 20.0))) == 5.0
    assert mean_bd_rate((Comparison("a", -10.0), Comparison("b", None, "why"))) is None
    assert mean_bd_rate(()) is None
    assert mean_bd_rate((Comparison("a", 0.0),)) == 0.0


def test_an_anchor_that_lacks_a_clip_gives_no_number_for_it() -> None:
    by_clip = versus(evaluation(0.5), anchors(clips=["akiyo"])[REFERENCE], REFERENCE)
    numbers = {c.clip: c.bd_rate_pct for c in by_clip}
    assert numbers == {"akiyo": pytest.approx(-50.0), "foreman": None}


# --- threshold ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "adopted"), [(0.5, True), (0.89, True), (0.9, False), (0.95, False), (1.0, False), (1.3, False)]
)
def test_clearly_less_rate_at_the_same_qps(factor: float, adopted: bool) -> None:
    verdict = judge(evaluation(factor), CHAMPION, THRESHOLD, anchors())
    assert verdict.adopted is adopted
    assert verdict.bd_rate_pct == pytest.approx(100 * (factor - 1), abs=1e-9)
    gain = 1 / factor
    assert verdict.reasons[0].startswith(f"{factor:.3f} x the champion's rate, {gain:.2f} x its compression ratio; ")
    if adopted:
        assert verdict.reasons[0].endswith(f"PSNR 1.000 x that of {REFERENCE}")
    else:
        assert verdict.reasons[0].endswith("the rule asks for below 0.9 x or above 1.2 x")


def test_a_better_compression_ratio_is_enough_too() -> None:
    # foreman's file is 50 times larger, so halving akiyo's hardly moves the mean rate
    champion = evaluation({"foreman": 50.0, "akiyo": 1.0})
    challenger = evaluation({"foreman": 50.0, "akiyo": 0.5})
    verdict = judge(challenger, champion, THRESHOLD, anchors())
    # mean rates: 50.5 / 51; mean compression ratios: (1 / 50 + 2) / (1 / 50 + 1)
    assert verdict.adopted
    assert verdict.reasons[0].startswith("0.990 x the champion's rate, 1.98 x its compression ratio")
    not_enough = judge(evaluation({"foreman": 50.0, "akiyo": 1 / 1.2}), champion, THRESHOLD, anchors())
    assert not not_enough.adopted


@pytest.mark.parametrize(("psnr_factor", "adopted"), [(1.0, True), (1.04, True), (1.06, False), (2.0, False)])
@pytest.mark.parametrize("champion", [None, CHAMPION])
def test_quality_has_a_floor_at_the_reference(psnr_factor: float, adopted: bool, champion: Evaluation | None) -> None:
    verdict = judge(evaluation(0.5), champion, THRESHOLD, anchors(psnr_factor))
    assert verdict.adopted is adopted
    if not adopted:
        assert verdict.reasons == (f"PSNR is {1 / psnr_factor:.3f} x that of x265-medium, the rule asks for 0.950 x",)


@pytest.mark.parametrize(
    ("factor", "adopted", "reason"),
    [
        (0.89, True, "first version: 0.89 x the rate of x265-medium"),
        (0.9, True, "first version: 0.90 x the rate of x265-medium, adopted to give it a chance"),
        (1.49, True, "first version: 1.49 x the rate of x265-medium, adopted to give it a chance"),
        (1.5, False, "first version with 1.50 x the rate of x265-medium, the limit is 1.5 x"),
        (8.0, False, "first version with 8.00 x the rate of x265-medium, the limit is 1.5 x"),
    ],
)
def test_a_first_version_is_held_against_hevc(factor: float, adopted: bool, reason: str) -> None:
    verdict = judge(evaluation(factor), None, THRESHOLD, anchors())
    assert verdict == Verdict(Decision.ADOPTED if adopted else Decision.REJECTED, (reason,))


@pytest.mark.parametrize("champion", [None, CHAMPION])
@pytest.mark.parametrize("known", [None, {}, {"x264-medium": anchors()[REFERENCE]}, anchors(clips=["akiyo"])])
def test_without_the_reference_there_is_no_floor(champion: Evaluation | None, known: dict | None) -> None:
    verdict = judge(evaluation(0.5), champion, THRESHOLD, known)
    assert verdict.reasons == ("x265-medium was not measured on the same clips and QPs: no floor to hold",)
    assert not verdict.adopted


@pytest.mark.parametrize("challenger", [evaluation({"akiyo": 0.1}), evaluation({"akiyo": 0.1, "bus": 0.1})])
def test_fewer_or_other_clips_than_the_champions_are_a_rejection(challenger: Evaluation) -> None:
    verdict = judge(challenger, CHAMPION, THRESHOLD, anchors(clips=["akiyo", "foreman", "bus"]))
    assert verdict.reasons == ("the champion was not measured on the same clips and QPs",)


def test_a_lossless_point_does_not_lift_the_mean_over_the_floor() -> None:
    points = tuple(replace(p, psnr_db=12.0) for p in evaluation(0.5).points)
    gamed = changed(replace(CHAMPION, points=points), "foreman", 22, psnr_db=inf)
    verdict = judge(gamed, CHAMPION, THRESHOLD, anchors())
    assert not verdict.adopted
    assert "lossless point" in verdict.reasons[0]


def test_an_unknown_size_of_the_samples_is_no_compression_ratio() -> None:
    for challenger, champion in ((evaluation(0.5, raw_bytes=0), CHAMPION), (evaluation(0.5), evaluation(raw_bytes=0))):
        verdict = judge(challenger, champion, THRESHOLD, anchors())
        assert verdict.reasons == ("the size of the clips' samples is not recorded: no compression ratio",)
        assert not verdict.adopted


# --- pareto -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "encode", "decode", "adopted"),
    [
        (0.9, 1.0, 1.0, True),
        (1.0, 0.5, 1.0, True),
        (1.0, 1.0, 0.5, True),
        (0.9, 1.14, 1.14, True),  # slower within the margin
        (1.009, 0.5, 1.0, True),  # more rate within the margin
        (1.0, 1.0, 1.0, False),
        (0.995, 0.9, 0.9, False),  # better everywhere, nowhere beyond a margin
        (0.5, 1.16, 1.0, False),
        (0.5, 1.0, 1.16, False),
        (1.02, 0.1, 0.1, False),
    ],
)
def test_better_in_one_and_worse_in_none(rate: float, encode: float, decode: float, adopted: bool) -> None:
    challenger = evaluation(rate, encode_cpu_s=encode, decode_cpu_s=0.5 * decode)
    assert judge(challenger, CHAMPION, PARETO).adopted is adopted


def test_the_reasons_of_the_pareto_rule() -> None:
    shown = "rate -50.0 %, encoding time +100.0 %, decoding time -10.0 %"
    verdict = judge(evaluation(0.5, encode_cpu_s=2.0, decode_cpu_s=0.45), CHAMPION, PARETO)
    assert verdict.reasons == ("encoding time got worse: +100.0 %, the margin is 15 %",)
    won = judge(evaluation(0.5, encode_cpu_s=2.0, decode_cpu_s=0.45), CHAMPION, ParetoRule(time_margin_pct=200))
    assert won.reasons == (f"better and nowhere worse: {shown}",)
    same = judge(CHAMPION, CHAMPION, PARETO)
    assert same.reasons == (
        "nothing got better beyond its margin: rate +0.0 %, encoding time +0.0 %, decoding time +0.0 %",
    )


def test_a_time_that_was_not_measured_decides_nothing() -> None:
    untimed = evaluation(encode_cpu_s=0.0, decode_cpu_s=0.0)
    verdict = judge(evaluation(0.5), untimed, PARETO)
    assert verdict.reasons == ("better and nowhere worse: rate -50.0 %",)


# --- held-out clips -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [BD, THRESHOLD, PARETO])
@pytest.mark.parametrize(("factor", "passed"), [(0.5, True), (1.0, True), (1.01, True), (1.0101, False), (2.0, False)])
def test_no_loss_beyond_the_margin_on_held_out_clips(rule: Rule, factor: float, passed: bool) -> None:
    check = judge_held_out(replace(evaluation(factor), wall_s=3.0, cpu_s=2.0), CHAMPION, rule)
    assert (check.kind, check.passed, check.failure) == ("held out", passed, None)
    assert (check.wall_s, check.cpu_s) == (3.0, 2.0)
    assert check.detail.startswith(f"{100 * (factor - 1):+.2f} % rate at equal PSNR on average of 2 held-out clips, ")


def test_the_words_about_held_out_clips() -> None:
    mixed = judge_held_out(evaluation({"foreman": 1.2, "akiyo": 0.7}), CHAMPION, replace(BD, max_held_out_loss_pct=-3))
    assert mixed.passed
    assert mixed.detail == (
        "-5.00 % rate at equal PSNR on average of 2 held-out clips, the rule allows at most -3.00 % "
        "(foreman +20.0 %, akiyo -30.0 %)"
    )
    assert judge_held_out(evaluation(), None, BD).detail == (
        "first version: there is no champion to compare with on 2 held-out clips"
    )


def test_a_failure_on_a_held_out_clip_does_not_pass() -> None:
    for champion in (CHAMPION, None, BROKEN):
        check = judge_held_out(BROKEN, champion, BD)
        assert not check.passed
        assert check.failure == BROKEN.failure
        assert check.detail.startswith("failed on held-out clips: timed out (decode, foreman, QP 32")
    check = judge_held_out(evaluation(9.0), BROKEN, BD)
    assert (check.passed, check.failure) == (True, None)
    assert check.detail.startswith("nothing to lose: the champion failed on held-out clips, this one did not: timed")


def test_a_held_out_clip_needs_a_number_where_the_champion_has_a_curve() -> None:
    flat = changed(evaluation(0.5), "akiyo", 22, psnr_db=38.0)
    check = judge_held_out(flat, CHAMPION, BD)
    assert not check.passed
    assert check.detail.startswith("akiyo: no BD-rate on a held-out clip: the challenger does not rise from point")
    assert not judge_held_out(evaluation({"akiyo": 0.5}), CHAMPION, BD).passed
    for ours in (evaluation(0.5), flat):  # there the champion cannot be compared with: nobody is blamed
        check = judge_held_out(ours, changed(CHAMPION, "akiyo", 22, psnr_db=inf), BD)
        assert check.passed
        assert check.detail == (
            "-50.00 % rate at equal PSNR on average of 1 held-out clip, the rule allows at most +1.00 % "
            "(foreman -50.0 %); akiyo left out: the champion has no curve there"
        )
    nothing = evaluation(psnr_db=40.0)
    check = judge_held_out(evaluation(0.5), nothing, BD)
    assert not check.passed
    assert check.detail.startswith("no held-out clip gives a BD-rate; akiyo left out: ")


def test_held_out_clips_are_charged_and_never_stopped() -> None:
    code = CodeQuality(9000, 1000, 100, 9, 20, 5, "f", ())
    rule = BdRateRule(charge_source=True, free_source_bytes=0)
    assert judge_held_out(evaluation(0.5), CHAMPION, rule, replace(code, compressed_bytes=0), code).passed
    assert not judge_held_out(CHAMPION, CHAMPION, rule, code, replace(code, compressed_bytes=0)).passed
    with pytest.raises(ValueError, match="measured whole"):
        judge_held_out(replace(evaluation(), stopped="x"), CHAMPION, BD)


# --- by each metric -----------------------------------------------------------------------------------


def by_all(factors: dict[str, float]) -> Evaluation:
    """Both clips, with rates scaled by metric: other metrics are those that the champion has at the scaled rate."""

    def shifted(p: RDPoint, metric: str) -> float:  # 0.5 dB a doubling of the rate, in each metric
        return 30 + p.qp * -0.4 - 0.5 * log2(factors[metric])

    points = []
    for p in evaluation().points:
        values = {metric: shifted(p, metric) for metric in METRICS}
        values |= {metric: 1 - 10 ** (-values[metric] / 10) for metric in ("ssim", "ms_ssim")}
        points.append(replace(p, rate_kbps=10 * 16 ** ((37 - p.qp) / 5), **values))
    return replace(CHAMPION, points=tuple(points))


def test_a_bd_rate_by_each_metric_is_that_metrics() -> None:
    # rates grow 16 times for 2 dB, so 0.5 dB less at each point is twice the rate at equal quality
    champion = by_all(dict.fromkeys(METRICS, 1.0))
    factors = {"psnr_db": 0.8, "psnr_y_db": 0.5, "psnr_yuv_db": 1.25, "ssim": 1.5, "ms_ssim": 2.0}
    compared = by_metric(by_all(factors), champion.by_clip, "the champion")
    assert list(compared) == list(METRICS)
    for metric, comparisons in compared.items():
        for comparison in comparisons:
            assert comparison.bd_rate_pct == pytest.approx(100 * (factors[metric] - 1), abs=1e-6)
    assert compared["psnr_db"] == versus(by_all(factors), champion.by_clip, "the champion")
    assert metric_conflicts(compared, margin_pct=30.0) == []
    assert metric_conflicts(compared)[:4] == [
        "on average: -20.00 % rate at equal PSNR, but +25.00 % at equal PSNR-YUV",
        "foreman: -20.00 % rate at equal PSNR, but +25.00 % at equal PSNR-YUV",
        "akiyo: -20.00 % rate at equal PSNR, but +25.00 % at equal PSNR-YUV",
        "on average: -20.00 % rate at equal PSNR, but +50.00 % at equal SSIM",
    ]
    assert len(metric_conflicts(compared)) == 9


def test_a_metric_that_was_not_measured_is_a_reason_and_no_conflict() -> None:
    champion = by_all(dict.fromkeys(METRICS, 1.0))
    challenger = by_all(dict.fromkeys(METRICS, 0.5))
    some = changed(challenger, "akiyo", 27, ms_ssim=None)
    compared = by_metric(some, champion.by_clip, "the champion")
    assert [c.bd_rate_pct for c in compared["ms_ssim"]] == [pytest.approx(-50.0), None]
    reason = compared["ms_ssim"][1].reason
    assert reason.startswith("the challenger has a point without MS-SSIM")
    perfect = by_metric(changed(challenger, "akiyo", 27, ssim=1.0), champion.by_clip, "the champion")["ssim"][1]
    assert perfect.reason == "the challenger has a lossless point: its SSIM is infinite, no average over SSIM exists"
    assert metric_conflicts(compared) == []


def test_without_a_number_on_average_each_clip_still_tells() -> None:
    compared = {
        "psnr_db": [Comparison("a", -5.0), Comparison("b", None, "why"), Comparison("c", 3.0)],
        "ms_ssim": [Comparison("a", 2.0), Comparison("b", 9.0), Comparison("c", 9.0)],
    }
    assert metric_conflicts(compared) == ["a: -5.00 % rate at equal PSNR, but +2.00 % at equal MS-SSIM"]
    assert metric_conflicts(compared, margin_pct=2.0) == []
