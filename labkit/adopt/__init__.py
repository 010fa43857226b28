"""The judge: the same evaluations and rule give the same verdict and the same reasons. Pure."""

from labkit.adopt.bounds import cannot_win, least_bd_rate
from labkit.adopt.held_out import judge_held_out
from labkit.adopt.judge import REFERENCE, Anchors, Decision, Verdict, judge, only_best
from labkit.adopt.limits import charge, charged, code_over_limits, seconds_per_mpixel
from labkit.adopt.round import Round, judge_round, start_verdict
from labkit.adopt.rules import LIMITS, BdRateRule, ParetoRule, Rule, ThresholdRule
from labkit.adopt.versus import by_metric, mean_bd_rate, metric_conflicts, versus

__all__ = [
    "LIMITS",
    "REFERENCE",
    "Anchors",
    "BdRateRule",
    "Decision",
    "ParetoRule",
    "Round",
    "Rule",
    "ThresholdRule",
    "Verdict",
    "by_metric",
    "cannot_win",
    "charge",
    "charged",
    "code_over_limits",
    "judge",
    "judge_held_out",
    "judge_round",
    "least_bd_rate",
    "mean_bd_rate",
    "metric_conflicts",
    "only_best",
    "seconds_per_mpixel",
    "start_verdict",
    "versus",
]
