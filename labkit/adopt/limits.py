"""What a rule allows a program besides its rate: source, complexity, time, memory; and the source as rate."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from labkit.adopt.rules import Rule, Terms
from labkit.candidate import CodeQuality, Evaluation
from labkit.rd import RDPoint

_SLACK = 1e-9
"""A sum of seconds in another order may differ by its rounding; a proof must not hang on it."""


def over_limits(points: Sequence[RDPoint], rule: Rule, code: CodeQuality | None) -> list[str]:
    """Return what is beyond the rule's limits, each with value and limit; empty if nothing is.

    Args:
        points: all rate points of the challenger.
        code: of its source; needed if the rule limits that.
    """
    return code_over_limits(rule, code) + _memory_over(points, rule) + _times_over(points, rule)


def surely_over_limits(
    points: Sequence[RDPoint], champion: Evaluation | None, rule: Rule, code: CodeQuality | None
) -> list[str]:
    """Return what is beyond the limits whatever further points bring, as far as that can be proven.

    Args:
        points: the challenger's so far, some of the clips and QPs of `champion`, which tells how many samples come.
    """
    planned = samples(champion.points) if champion else 0
    times = _times_over(points, rule, planned, 1 + _SLACK) if planned else []
    return code_over_limits(rule, code) + _memory_over(points, rule) + times


def code_over_limits(rule: Rule, code: CodeQuality | None) -> list[str]:
    """Return what of the source is beyond the rule's limits; known before anything is run.

    Raises:
        ValueError: the rule limits the source, and `code` is missing.
    """
    if not (rule.max_source_bytes or rule.max_complexity):
        return []
    if code is None:
        raise ValueError("the rule limits the source, and its figures were not given; see labkit.policy.code_quality")
    over = []
    if 0 < rule.max_source_bytes < code.source_bytes:
        over.append(f"the source has {code.source_bytes:,} bytes, the limit is {rule.max_source_bytes:,}")
    if 0 < rule.max_complexity < code.max_complexity:
        over.append(f"{code.most_complex}() has complexity {code.max_complexity}, the limit is {rule.max_complexity}")
    return over


def samples(points: Iterable[RDPoint]) -> int:
    """Return how many samples the points' clips hold, planes y, u and v; 0 if that is not recorded for all."""
    sizes = [point.raw_bytes for point in points]
    return sum(sizes) if all(sizes) else 0


def seconds_per_mpixel(points: Sequence[RDPoint], field: str, planned: int | None = None) -> float | None:
    """Return the CPU seconds of all points for a million luma samples, less is better; None if that is not known.

    Args:
        field: "encode_cpu_s" or "decode_cpu_s".
        planned: the samples of all points that are to come, if more are.
    """
    size = samples(points) if planned is None else planned
    # 4:2:0: 1.5 samples a pixel
    return sum(getattr(point, field) for point in points) * 1.5e6 / size if size else None


def _memory_over(points: Sequence[RDPoint], rule: Rule) -> list[str]:
    if not rule.max_peak_mib or not points:
        return []
    worst = max(points, key=lambda point: point.peak_mib)
    if worst.peak_mib <= rule.max_peak_mib:
        return []
    return [
        f"{worst.clip} at QP {worst.qp} took {worst.peak_mib:.0f} MiB of memory, the limit is {rule.max_peak_mib:g} MiB"
    ]


def _times_over(points: Sequence[RDPoint], rule: Rule, planned: int | None = None, slack: float = 1.0) -> list[str]:
    limits = (("encoding", "encode_cpu_s", rule.max_encode_s_per_mpixel),
              ("decoding", "decode_cpu_s", rule.max_decode_s_per_mpixel))  # fmt: skip
    over = []
    for what, field, limit in limits:
        seconds = seconds_per_mpixel(points, field, planned) if limit else 0.0
        if seconds is None:
            over.append(f"the size of the clips' samples is not recorded: no {what} time per megapixel")
        elif seconds > limit * slack:
            over.append(f"{what} takes {seconds:.3g} CPU s per megapixel, the limit is {limit:g} s")
    return over


def charged(points: Iterable[RDPoint], extra_bytes: int) -> tuple[RDPoint, ...]:
    """Return the points with `extra_bytes` more in every file, and the rate of that."""
    return tuple(
        replace(p, bytes=p.bytes + extra_bytes, rate_kbps=p.rate_kbps * (p.bytes + extra_bytes) / p.bytes)
        for p in points
    )


def charge(code: CodeQuality, terms: Terms) -> int:
    """Return the bytes of compressed source beyond the free allowance, charged or only shown."""
    return max(0, code.compressed_bytes - terms.free_source_bytes)


def as_charged(points: Iterable[RDPoint], rule: Rule, code: CodeQuality | None) -> tuple[RDPoint, ...]:
    """Return the points as the rule counts them: with the source in the rate if it charges for that.

    Raises:
        ValueError: the rule charges for the source, and `code` is missing.
    """
    if not rule.charge_source:
        return tuple(points)
    if code is None:
        raise ValueError("the rule charges for the source, and its figures were not given; see code_quality")
    return charged(points, charge(code, rule))
