"""What becomes of a generation: the judge's word on each candidate, then the checks of would-be adoptions, best first.

Pure: the same verdicts, checks and wanted kinds give the same end, so that an audit can derive it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from labkit.adopt.judge import Decision, Verdict, only_best
from labkit.candidate import Check, Evaluation

START = "version 0: the program that the campaign starts from, measured, not judged"


@dataclass(frozen=True)
class Round:
    """Verdicts as far as the checks go.

    Attributes:
        verdicts: by the entry's number.
        best: the entry to be adopted; None if there is none.
        waiting: the would-be adoption whose checks are still to be made; nothing is decided before they are.
    """

    verdicts: Mapping[int, Verdict]
    best: int | None = None
    waiting: int | None = None


def start_verdict(evaluation: Evaluation) -> Verdict:
    """Return the verdict on the program that a campaign starts from: whatever runs is version 0."""
    failure = evaluation.failure
    return Verdict(Decision.REJECTED, (f"failed: {failure}",)) if failure else Verdict(Decision.ADOPTED, (START,))


def judge_round(
    judged: Mapping[int, Verdict], checks: Mapping[int, Sequence[Check]], wanted: Sequence[str] = ()
) -> Round:
    """Return the verdicts on the candidates of one generation: at most one of them is adopted.

    Args:
        judged: the judge's word on each, by number.
        checks: those made so far, by number.
        wanted: the kinds that an adoption has to stand, in order; none for the start.
    """
    verdicts = dict(judged)
    while True:
        settled, best = only_best(verdicts)
        if best is None:
            return Round(settled)
        made = {check.kind: check for check in checks.get(best, ())}
        lost = any(not check.passed for check in made.values())
        if not lost and any(kind not in made for kind in wanted):
            return Round(verdicts, waiting=best)
        verdicts[best] = _with_checks(verdicts[best], list(made.values()))
        if not lost:
            return Round(*only_best(verdicts))


def _with_checks(verdict: Verdict, checks: Sequence[Check]) -> Verdict:
    told = [f"{check.kind}: {check.detail}" for check in checks]
    lost = [words for words, check in zip(told, checks, strict=True) if not check.passed]
    if lost:
        return replace(verdict, decision=Decision.REJECTED, reasons=tuple(lost))
    return replace(verdict, reasons=(*verdict.reasons, *told))
