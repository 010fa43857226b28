"""Alerts: each is told where its sign is in the ledger, and is not where it is not.

Scaling every rate of a curve by f at the same PSNR gives a BD-rate of exactly 100 (f - 1) percent.
"""

from dataclasses import replace

import pytest

from labkit.adopt import Decision, Verdict
from labkit.campaign.alerts import KINDS, Alert, alerts_of
from labkit.candidate import Candidate, Evaluation, Failure, FailureKind, Stage
from labkit.ledger import Entry
from labkit.propose.held_out import Veil
from labkit.rd import RDPoint

RATES_KBPS = {22: 800.0, 27: 400.0, 32: 200.0, 37: 100.0}
PSNR_DB = {22: 42.0, 27: 39.0, 32: 36.0, 37: 32.0}
CLIPS = ("foreman", "akiyo")
SECRET = "coastguard"


def measured(
    factor: float | dict[str, float], stream: str = "", clips: tuple[str, ...] = CLIPS, extra_bytes: int = 0
) -> Evaluation:
    """An evaluation whose rates are `factor` times the start's; equal `stream` stands for equal bitstreams."""
    points = []
    for clip in clips:
        scale = factor[clip] if isinstance(factor, dict) else factor
        for qp, rate in RATES_KBPS.items():
            size = round(rate * scale * 125) + extra_bytes
            points.append(RDPoint(
                clip, f"hash of {clip}", qp, size, rate * scale, PSNR_DB[qp], PSNR_DB[qp], PSNR_DB[qp], 0.9, 25.0,
                1.0, 0.5, "candidate", f"{stream or factor} {clip} {qp}",
            ))  # fmt: skip
    return Evaluation("candidate", "none", tuple(points))


def failed(kind: FailureKind = FailureKind.RAISED) -> Evaluation:
    return Evaluation("candidate", "none", failure=Failure(Stage.ENCODE, kind, "what came", "foreman", 32))


def history(*generations: list[Evaluation | tuple[Evaluation, int] | None]) -> list[Entry]:
    """Entries by generation; one in a pair with a number became that version; None is not measured yet."""
    entries: list[Entry] = []
    for generation, members in enumerate(generations):
        for slot, member in enumerate(members):
            evaluation, version = member if isinstance(member, tuple) else (member, None)
            decision = Decision.REJECTED if version is None else Decision.ADOPTED
            verdict = Verdict(decision, ("a reason",)) if evaluation else None
            candidate = Candidate(f"# {len(entries)}")
            entries.append(Entry(len(entries), generation, slot, candidate, evaluation, verdict, version))
    return entries


START = (measured(1.0), 0)


def kinds(alerts: list[Alert]) -> list[str]:
    return [alert.kind for alert in alerts]


def told(alerts: list[Alert], kind: str) -> str:
    (text,) = [alert.text for alert in alerts if alert.kind == kind]
    return text


def test_a_quiet_campaign_has_no_alert() -> None:
    entries = history([START], [measured(0.95), failed()], [(measured(0.8), 1), measured(0.9)])
    assert [alerts_of(entries, generation) for generation in range(3)] == [[], [], []]
    assert alerts_of([], 0) == []


def test_kinds_are_stable() -> None:
    assert KINDS == (
        "identical bitstreams", "identical rates", "worse than version 0", "stagnation", "failures", "time-outs",
        "overfitting", "no curve",
    )  # fmt: skip


# --- the same again ---------------------------------------------------------------------------------------------


def test_three_experiments_with_identical_bitstreams_are_named() -> None:
    same = measured(0.97, "same")
    entries = history([START], [same, measured(0.9)], [measured(0.95), same], [same])
    assert alerts_of(entries, 2) == []  # two may be
    alerts = alerts_of(entries, 3)
    assert kinds(alerts) == ["identical bitstreams"]  # and not their rates besides
    assert told(alerts, "identical bitstreams") == (
        "experiments 1, 4 and 5 gave identical bitstreams: their changes did not take effect"
    )
    later = [*entries, *(replace(e, generation=4, number=6) for e in history([measured(0.96)]))]
    assert alerts_of(later, 4) == []  # told when it happened


def test_the_start_counts_among_the_identical_and_one_stopped_early_too() -> None:
    half = replace(measured(1.0), points=measured(1.0).points[:3])
    alerts = alerts_of(history([START], [measured(1.0), half]), 1)
    assert told(alerts, "identical bitstreams").startswith("experiments 0, 1 and 2 gave")


def test_one_point_in_common_makes_nothing_identical() -> None:
    ours, theirs = measured(0.9), measured(0.8)
    mixed = replace(theirs, points=(ours.points[0], *theirs.points[1:]))
    stopped = replace(ours, points=ours.points[:1])  # its one point is that of two programs that differ elsewhere
    assert alerts_of(history([START], [ours, mixed, stopped]), 1) == []
    assert alerts_of(history([START], [ours, replace(ours, points=theirs.points[:2]), theirs]), 1) == []


def test_two_groups_are_two_alerts() -> None:
    one, two = measured(0.9, "one"), measured(0.8, "two")
    alerts = alerts_of(history([START], [one, one, one, two, two, two]), 1)
    assert [alert.text[:21] for alert in alerts] == ["experiments 1, 2 and ", "experiments 4, 5 and "]


def test_identical_rates_from_different_bitstreams_are_told_apart() -> None:
    entries = history([START], [measured(0.9, "a"), measured(0.9, "b"), measured(0.9, "c")])
    alerts = alerts_of(entries, 1)
    assert kinds(alerts) == ["identical rates"]
    assert "experiments 1, 2 and 3" in alerts[0].text
    byte_apart = history([START], [measured(0.9, "a"), measured(0.9, "b"), measured(0.9, "c", extra_bytes=1)])
    assert alerts_of(byte_apart, 1) == []


def test_rates_are_told_where_only_some_of_them_have_the_same_bitstreams() -> None:
    same = measured(0.9, "a")
    alerts = alerts_of(history([START], [same, same, same, measured(0.9, "b")]), 1)
    assert kinds(alerts) == ["identical bitstreams", "identical rates"]
    assert "experiments 1, 2, 3 and 4" in alerts[1].text


# --- no progress ------------------------------------------------------------------------------------------------


def test_a_result_worse_than_version_0_is_told_with_its_numbers() -> None:
    entries = history([START], [measured({"foreman": 1.25, "akiyo": 1.1}), measured(1.02), measured(0.9)])
    alerts = alerts_of(entries, 1)
    assert alerts == [Alert("worse than version 0", (
        "worse than version 0 on every clip that can be compared: "
        "experiment 1 by 10.0 to 25.0 %, experiment 2 by 2.0 %"
    ))]  # fmt: skip


def test_worse_than_version_0_means_on_every_clip_and_against_0_not_the_champion() -> None:
    mixed = measured({"foreman": 1.5, "akiyo": 0.99})
    entries = history([START], [mixed, measured(1.0, "other"), failed(), None])
    assert alerts_of(entries, 1) == []
    entries = history([START], [(measured(0.5), 1)], [measured(0.7)])  # far behind version 1, ahead of version 0
    assert alerts_of(entries, 2) == []
    assert alerts_of(history([], [measured(2.0)]), 1) == []  # nothing to compare with


def test_clips_that_cannot_be_compared_do_not_hide_a_bad_result() -> None:
    one = replace(measured(1.5), points=measured(1.5).on("foreman"))  # stopped before the second clip
    assert kinds(alerts_of(history([START], [one]), 1)) == ["worse than version 0"]


def test_stagnation_counts_generations_since_the_last_adoption() -> None:
    quiet = [[measured(0.99 - i / 1000)] for i in range(9)]
    entries = history([START], [(measured(0.9), 1)], *quiet)
    assert [kinds(alerts_of(entries, generation)) for generation in (5, 6, 7)] == [[], ["stagnation"], ["stagnation"]]
    assert told(alerts_of(entries, 7), "stagnation") == (
        "no adoption for 6 generations: the latest is version 1 of generation 1"
    )
    assert kinds(alerts_of(entries, 4, stagnation=3)) == ["stagnation"]
    assert alerts_of(entries, 7, stagnation=7) == []


def test_a_campaign_that_never_adopted_stagnates_too() -> None:
    entries = history([], *[[measured(0.99 - i / 1000)] for i in range(5)])
    assert alerts_of(entries, 4) == []
    assert told(alerts_of(entries, 5), "stagnation") == "no adoption for 5 generations: there is no version"


# --- failures ---------------------------------------------------------------------------------------------------


def test_more_than_half_of_the_last_candidates_failing_is_told_with_the_kinds() -> None:
    bad = [failed(), failed(), failed(FailureKind.WRONG_TYPE)]
    entries = history([START], [measured(0.99), measured(0.98), *bad], [failed()])
    assert alerts_of(entries, 1) == []  # three of six are half
    assert alerts_of(entries, 2) == [Alert("failures", "4 of the last 6 candidates failed: 3 raised, 1 wrong type")]


def test_too_few_candidates_say_nothing_of_failures() -> None:
    entries = history([START], [failed(), failed(), failed(), failed()])
    assert alerts_of(entries, 1) == []


def test_a_large_generation_counts_as_a_whole() -> None:
    eight = [failed()] * 3 + [measured(0.99 - i / 1000) for i in range(2)] + [failed()] * 3
    assert "6 of the last 8" in told(alerts_of(history([START], eight), 1), "failures")
    mixed = [measured(0.99 - i / 1000) for i in range(6)] + [failed()] * 5
    assert alerts_of(history([START], mixed), 1) == []  # five of the last six, and of the generation less than half


def test_two_time_outs_among_the_last_six_are_told() -> None:
    late = failed(FailureKind.TIMED_OUT)
    entries = history([START], [late, measured(0.99)], [measured(0.98), late], [measured(0.97), measured(0.96)],
                      [measured(0.95)])  # fmt: skip
    assert alerts_of(entries, 1) == []
    assert alerts_of(entries, 2) == [
        Alert("time-outs", "2 of the last 5 candidates ran out of time: experiments 1 and 4")
    ]
    assert kinds(alerts_of(entries, 3)) == ["time-outs"]  # experiments 1 to 6
    assert alerts_of(entries, 4) == []


def test_a_generation_without_results_repeats_no_failures() -> None:
    late = failed(FailureKind.TIMED_OUT)
    entries = history([START], [late, late, late, late, late], [None])
    assert kinds(alerts_of(entries, 1)) == ["failures", "time-outs"]
    assert alerts_of(entries, 2) == []


# --- gains that are none ----------------------------------------------------------------------------------------


def hidden(factor: float) -> Evaluation:
    return measured(factor, clips=(SECRET,))


@pytest.mark.parametrize(
    ("unseen", "alert"),
    [(1.0, True), (1.3, True), (0.999, True), (0.985, True), (0.97, False), (0.8, False), (0.5, False)],
)
def test_a_gain_that_is_only_there_on_the_clips_tuned_to_is_told(unseen: float, alert: bool) -> None:
    entries = history([START], [(measured(0.8), 1)])  # 20 % on the development clips: at least 2 % should be left
    alerts = alerts_of(entries, 1, {0: hidden(1.0), 1: hidden(unseen)})
    assert kinds(alerts) == ["overfitting"] * alert


def test_each_version_is_compared_with_the_one_before_it() -> None:
    entries = history([START], [measured(0.99), (measured(0.8), 1)], [(measured(0.6), 2)])
    held_out = {0: hidden(1.0), 2: hidden(0.8), 3: hidden(0.8)}
    assert alerts_of(entries, 1, held_out) == []
    assert told(alerts_of(entries, 2, held_out), "overfitting") == (
        "version 2 (experiment 3) gains 25.0 % over version 1 on the development clips, and little or nothing elsewhere"
    )


def test_without_both_measurements_or_a_gain_nothing_is_said_of_overfitting() -> None:
    entries = history([START], [(measured(0.8), 1)])
    assert alerts_of(entries, 1) == []
    assert alerts_of(entries, 1, {1: hidden(1.0)}) == []
    assert alerts_of(entries, 1, {0: hidden(1.0)}) == []
    worse = history([START], [(measured(1.0, "other"), 1)])  # a rule that adopts for speed
    assert alerts_of(worse, 1, {0: hidden(1.0), 1: hidden(1.2)}) == []


def test_a_version_that_nothing_can_be_compared_with_is_told() -> None:
    start = measured(1.0)
    lossless = replace(start, points=(*start.points[:4], *(replace(p, psnr_db=float("inf")) for p in start.points[4:])))
    text = told(alerts_of(history([(lossless, 0)]), 0), "no curve")
    assert text.startswith("on akiyo, version 0 has a lossless point: its PSNR is infinite")
    assert "leave that clip out" in text
    assert alerts_of(history([START], [lossless]), 1) == []  # a candidate's own harm


def test_no_text_names_a_held_out_clip_or_is_hidden_from_a_proposer_for_it() -> None:
    late, same = failed(FailureKind.TIMED_OUT), measured(1.2, "same")
    entries = history([START], [same, same, same, *[late] * 7, (measured(0.8), 1)])
    alerts = alerts_of(entries, 1, {0: hidden(1.0), len(entries) - 1: hidden(1.043)})
    assert {"identical bitstreams", "worse than version 0", "failures", "time-outs", "overfitting"} == set(
        kinds(alerts)
    )
    veil = Veil(CLIPS, (SECRET, "hash of coastguard"))
    for alert in alerts:
        assert veil.prose(alert.text) == alert.text
        assert SECRET not in alert.text
        assert "4.3" not in alert.text


def test_it_is_pure() -> None:
    entries = history([START], [measured(1.1), failed()])
    before = list(entries)
    assert alerts_of(entries, 1) == alerts_of(entries, 1)
    assert entries == before
