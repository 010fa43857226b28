"""One figure of a benchmark, and the evaluations that such figures are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from labkit.candidate import Evaluation
from labkit.errors import LabkitError


@dataclass(frozen=True)
class Figure:
    """One measured figure: the median of `runs`, with the smallest and the largest."""

    what: str
    unit: str
    median: float
    low: float
    high: float
    runs: int


def figure(what: str, unit: str, values: Sequence[float]) -> Figure:
    """Return the figure of several runs."""
    return Figure(what, unit, median(values), min(values), max(values), len(values))


def whole(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation that has all its points.

    Raises:
        LabkitError: it failed, so that its seconds would say nothing.
    """
    if evaluation.failure:
        raise LabkitError(f"the benchmark's own codec failed: {evaluation.failure}")
    return evaluation
