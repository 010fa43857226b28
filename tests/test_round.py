"""The end of a generation: at most one is adopted, the best that stood every check; the others are told why not."""

import pytest

from labkit.adopt import Decision, Verdict, judge_round, start_verdict
from labkit.candidate import Check, Evaluation, Failure, FailureKind, Stage

LOST = Verdict(Decision.REJECTED, ("too little",), -1.0)


def won(bd_rate_pct: float) -> Verdict:
    return Verdict(Decision.ADOPTED, ("a gain",), bd_rate_pct)


def check(kind: str, passed: bool = True) -> Check:
    return Check(kind, passed, f"{kind} in words")


def test_without_checks_the_best_is_adopted_and_the_others_are_told_so() -> None:
    end = judge_round({3: won(-10.0), 4: won(-20.0), 5: LOST}, {})
    assert (end.best, end.waiting) == (4, None)
    assert end.verdicts[4] == won(-20.0)
    assert end.verdicts[3].reasons == ("candidate 4 of the same generation was better: -20.00 % against -10.00 %",)
    assert end.verdicts[5] == LOST


def test_nothing_is_decided_before_the_best_has_its_checks() -> None:
    judged = {3: won(-10.0), 4: won(-20.0)}
    assert judge_round(judged, {}, ["robustness", "held out"]).waiting == 4
    assert judge_round(judged, {4: [check("robustness")]}, ["robustness", "held out"]).waiting == 4
    end = judge_round(judged, {4: [check("robustness"), check("held out")]}, ["robustness", "held out"])
    assert (end.best, end.waiting) == (4, None)
    assert end.verdicts[4].reasons == ("a gain", "robustness: robustness in words", "held out: held out in words")


def test_one_that_does_not_stand_a_check_makes_room_for_the_next() -> None:
    judged = {3: won(-10.0), 4: won(-20.0)}
    checks = {4: [check("robustness"), check("confirmation", passed=False)]}
    assert judge_round(judged, checks, ["robustness"]).waiting == 3
    end = judge_round(judged, {**checks, 3: [check("robustness")]}, ["robustness"])
    assert end.best == 3
    assert end.verdicts[4].decision is Decision.REJECTED
    assert end.verdicts[4].reasons == ("confirmation: confirmation in words",)
    assert end.verdicts[4].bd_rate_pct == -20.0


def test_where_none_stands_its_checks_none_is_adopted() -> None:
    end = judge_round({3: won(-10.0)}, {3: [check("robustness", passed=False)]}, ["robustness", "held out"])
    assert (end.best, end.waiting) == (None, None)
    assert not end.verdicts[3].adopted


@pytest.mark.parametrize("judged", [{}, {1: LOST}])
def test_where_nobody_won_no_check_is_waited_for(judged: dict[int, Verdict]) -> None:
    end = judge_round(judged, {}, ["held out"])
    assert (dict(end.verdicts), end.best, end.waiting) == (judged, None, None)


def test_a_start_is_version_0_unless_it_fails() -> None:
    failure = Failure(Stage.LOAD, FailureKind.RAISED, "no")
    assert start_verdict(Evaluation("a", "none", failure=failure)).reasons == (f"failed: {failure}",)
    assert not start_verdict(Evaluation("a", "none", failure=failure)).adopted
