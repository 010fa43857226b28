"""An evaluation against reference points: BD-rate by clip, each with its number or the reason why there is none."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from labkit.candidate import Evaluation
from labkit.rd import METRICS, Comparison, RDCurve, RDPoint, compare

ROUNDING_PCT = 1e-9
"""What the logarithms behind a BD-rate may be off: exactly 0.9 x the rate must count as -10 %."""


def versus(
    evaluation: Evaluation,
    reference: Mapping[str, Sequence[RDPoint]],
    label: str,
    metric: str = "psnr_db",
    tested: str = "the challenger",
) -> tuple[Comparison, ...]:
    """Return the BD-rate of an evaluation against reference points of every clip, or why there is none.

    Args:
        reference: rate points by clip: a champion's (`Evaluation.by_clip`) or an anchor's.
        label: what the reference is called in a reason: "the champion", "x265-medium".
        metric: one of `labkit.rd.METRICS`.
        tested: what the evaluation's side is called in a reason.
    """
    comparisons = []
    for clip in dict.fromkeys((*reference, *evaluation.clips)):  # a clip that one side lacks is no clip won
        ours, theirs = evaluation.on(clip), reference.get(clip, ())
        if {point.clip_hash for point in ours} != {point.clip_hash for point in theirs}:
            comparisons.append(Comparison(clip, None, "the two were not measured on the same frames"))
        else:
            curves = RDCurve.of(label, theirs, metric), RDCurve.of(tested, ours, metric)
            comparisons.append(compare(*curves, clip))
    return tuple(comparisons)


def mean_bd_rate(by_clip: Sequence[Comparison]) -> float | None:
    """Return the mean over clips, percent; None if any clip has no number."""
    values = [comparison.bd_rate_pct for comparison in by_clip]
    return fmean(value for value in values if value is not None) if values and None not in values else None


def by_metric(
    evaluation: Evaluation, reference: Mapping[str, Sequence[RDPoint]], label: str, tested: str = "the challenger"
) -> dict[str, tuple[Comparison, ...]]:
    """Return what `versus` gives by each metric; the first, the overall PSNR, decides, the others are shown."""
    return {metric: versus(evaluation, reference, label, metric, tested) for metric in METRICS}


def metric_conflicts(compared: Mapping[str, Sequence[Comparison]], margin_pct: float = 1.0) -> list[str]:
    """Return in words where a gain by the metric that decides is a loss by another, each beyond the margin.

    Args:
        compared: what `by_metric` gave.
    """
    deciding, *others = compared
    found = []
    for metric in others:
        pairs = {"on average": (mean_bd_rate(compared[deciding]), mean_bd_rate(compared[metric]))}
        for first, second in zip(compared[deciding], compared[metric], strict=True):
            pairs[first.clip] = (first.bd_rate_pct, second.bd_rate_pct)
        for where, (gain, loss) in pairs.items():
            if gain is not None and loss is not None and gain < -margin_pct and loss > margin_pct:
                found.append(
                    f"{where}: {gain:+.2f} % rate at equal {METRICS[deciding]}, "
                    f"but {loss:+.2f} % at equal {METRICS[metric]}"
                )
    return found


def times_changed(ours: Iterable[RDPoint], theirs: Iterable[RDPoint]) -> dict[str, float]:
    """Return the change of the CPU seconds in all, percent; one that was not measured of theirs is left out."""
    ours, theirs = tuple(ours), tuple(theirs)
    changes = {}
    for what, field in (("encoding time", "encode_cpu_s"), ("decoding time", "decode_cpu_s")):
        used, before = (sum(getattr(point, field) for point in points) for points in (ours, theirs))
        if before > 0:
            changes[what] = 100 * (used / before - 1)
    return changes
