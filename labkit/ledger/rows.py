"""Rows and values: what the ledger's methods give and take, from and to the tables' columns."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from labkit.adopt import Decision, Verdict
from labkit.candidate import Candidate, Evaluation, Failure, FailureKind, Stage
from labkit.ledger.tables import GOAL_POINTS, HELD_OUT_POINTS, POINT_FIELDS, POINTS
from labkit.rd import Comparison, RDPoint

DEVELOPMENT = "development"
HELD_OUT_ROLE = "held out"
"""What a clip is for: to be tuned to, or for decisions that nobody tunes to."""
DECISION = "decision: "
"""How the purpose of a use of held-out clips begins that decides something."""
GOAL = "goal"
"""What points are for that only the distance to the goal needs."""


@dataclass(frozen=True)
class Entry:
    """One candidate's line in the ledger.

    Attributes:
        number: counts all candidates of the campaign from 0.
        version: the version that it became, None if it was not adopted.
    """

    number: int
    generation: int
    slot: int
    candidate: Candidate
    evaluation: Evaluation | None
    verdict: Verdict | None
    version: int | None

    @property
    def outcome(self) -> str:
        """adopted, rejected, failed, or where it stands: proposed, measured."""
        if self.evaluation is None:
            return "proposed"
        if self.evaluation.failure is not None:
            return "failed"
        return "measured" if self.verdict is None else str(self.verdict.decision)


def points_of(role: str) -> sa.Table:
    """Return the table of rate points for a role."""
    return {DEVELOPMENT: POINTS, HELD_OUT_ROLE: HELD_OUT_POINTS, GOAL: GOAL_POINTS}[role]


def measurement(number: int, evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation's row, without its points."""
    return {
        "proposal": number, "candidate": evaluation.candidate, "isolation": evaluation.isolation,
        "failure": dataclasses.asdict(evaluation.failure) if evaluation.failure else None,
        "wall_s": evaluation.wall_s, "cpu_s": evaluation.cpu_s, "warmed": evaluation.warmed,
        "output": evaluation.output, "stopped": evaluation.stopped, "cached": evaluation.cached,
    }  # fmt: skip


def measured_point(point: RDPoint) -> dict[str, Any]:
    """Return a rate point's row."""
    return {field.name: getattr(point, field.name) for field in POINT_FIELDS}


def as_point(row: Any) -> RDPoint:
    """Return the rate point of a row."""
    values: dict[str, Any] = {f.name: getattr(row, f.name) for f in POINT_FIELDS}
    values["frame_hashes"] = values["frame_hashes"] or ()
    lists: dict[str, Any] = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return RDPoint(**{**values, **lists})


def as_entry(row: Any, evaluations: dict[int, Any], points: tuple[RDPoint, ...], verdicts: dict[int, Any]) -> Entry:
    """Return one candidate's line from its rows."""
    candidate = Candidate(row.source, row.proposer, row.hypothesis, row.parent)
    measured, judged = evaluations.get(row.number), verdicts.get(row.number)
    evaluation = as_evaluation(measured, points) if measured else None
    verdict = as_verdict(judged) if judged else None
    version = judged.version if judged else None
    return Entry(row.number, row.generation, row.slot, candidate, evaluation, verdict, version)


def as_evaluation(row: Any, points: tuple[RDPoint, ...]) -> Evaluation:
    """Return the evaluation of a row, with these points."""
    return Evaluation(
        row.candidate, row.isolation, points, as_failure(row.failure), row.wall_s, row.cpu_s, row.warmed, row.output,
        row.stopped or "", row.cached or 0,
    )  # fmt: skip


def as_failure(values: dict[str, Any] | None) -> Failure | None:
    """Return the failure of a column; None where there is none."""
    if values is None:
        return None
    return Failure(**{**values, "stage": Stage(values["stage"]), "kind": FailureKind(values["kind"])})


def as_verdict(row: Any) -> Verdict:
    """Return the verdict of a row."""
    by_clip = tuple(Comparison(**comparison) for comparison in row.by_clip)
    return Verdict(Decision(row.decision), tuple(row.reasons), row.bd_rate_pct, by_clip)
