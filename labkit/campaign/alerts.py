"""What a person should look at: signs in the ledger that the search, or the lab itself, goes astray. Pure.

Proposers are shown alerts, so that no text may name a held-out clip or carry a number measured on one.
"""

from collections import Counter
from collections.abc import Callable, Hashable, ItemsView, Mapping, Sequence
from dataclasses import dataclass

from labkit.adopt import mean_bd_rate, versus
from labkit.candidate import Evaluation, FailureKind
from labkit.errors import RDError
from labkit.ledger import Entry
from labkit.rd import Comparison, RDCurve, RDPoint

IDENTICAL_BITSTREAMS = "identical bitstreams"
IDENTICAL_RATES = "identical rates"
WORSE = "worse than version 0"
STAGNATION = "stagnation"
FAILURES = "failures"
TIME_OUTS = "time-outs"
OVERFITTING = "overfitting"
NO_CURVE = "no curve"
KINDS = (IDENTICAL_BITSTREAMS, IDENTICAL_RATES, WORSE, STAGNATION, FAILURES, TIME_OUTS, OVERFITTING, NO_CURVE)
"""Stable: a campaign may be told to pause on some of them."""

GROUP, WINDOW, FAILED_SHARE, TIMED_OUT, KEPT_SHARE = 3, 6, 0.5, 2, 0.1
"""Equal experiments that are too many; candidates looked back at; failures and time-outs among them that are too
many; the least share of a gain that should be left on clips that nobody tuned to."""
_ROUNDING_PCT = 1e-6


@dataclass(frozen=True)
class Alert:
    """One thing to look at: its kind is one of KINDS, its text fit for people and proposers."""

    kind: str
    text: str


def alerts_of(
    entries: Sequence[Entry],
    generation: int,
    held_out: Mapping[int, Evaluation] | None = None,
    stagnation: int = 5,
) -> list[Alert]:
    """Return what is to be told at the end of a generation: of its own candidates, and of how the search goes by then.

    Args:
        entries: of the campaign; those of later generations are passed over.
        held_out: evaluations on held-out clips, by the entry's number.
        stagnation: generations without an adoption that are too many.
    """
    known = [entry for entry in entries if entry.generation <= generation]
    measured = [entry for entry in known if entry.evaluation is not None]
    new = [entry for entry in measured if entry.generation == generation]
    found = [
        *_identical(measured, new),
        _worse(known, new),
        _stagnant(known, generation, stagnation),
        *(_failing(measured, len(new)) if new else ()),
        *(_overfitted(entry, known, held_out or {}) for entry in new),
        *(_without_curve(entry) for entry in new),
    ]
    return [alert for alert in found if alert is not None]


# --- the same again -----------------------------------------------------------------------------------------


def _identical(measured: Sequence[Entry], new: Sequence[Entry]) -> list[Alert]:
    """Tell of experiments that gave the same bitstreams, then of those that gave other ones of the same sizes."""
    alerts = []
    bitstreams = _groups(measured, new, lambda point: point.bitstream_sha256)
    rates = _groups(measured, new, lambda point: point.bytes)
    for numbers in bitstreams:
        text = f"experiments {_listed(numbers)} gave identical bitstreams: their changes did not take effect"
        alerts.append(Alert(IDENTICAL_BITSTREAMS, text))
    for numbers in rates:
        if not any(set(numbers) <= set(others) for others in bitstreams):
            text = f"experiments {_listed(numbers)} gave identical rates at every point, from different bitstreams"
            alerts.append(Alert(IDENTICAL_RATES, text))
    return alerts


def _groups(
    measured: Sequence[Entry], new: Sequence[Entry], of: Callable[[RDPoint], Hashable]
) -> list[tuple[int, ...]]:
    """Return the numbers of experiments of which one has all that the others have, where a new one is among them."""
    rows = {entry.number: row for entry in measured if (row := _row(entry, of))}
    # one that was stopped early has fewer points than its equals
    groups = {tuple(number for number, row in rows.items() if row <= whole) for whole in rows.values()}
    largest = [group for group in groups if not any(set(group) < set(other) for other in groups)]
    ours = {entry.number for entry in new}
    return sorted(group for group in largest if len(group) >= GROUP and ours & set(group))


def _row(entry: Entry, of: Callable[[RDPoint], Hashable]) -> ItemsView[tuple[str, int], Hashable]:
    points = entry.evaluation.points if entry.evaluation else ()
    return {(point.clip_hash, point.qp): of(point) for point in points}.items()


# --- no progress --------------------------------------------------------------------------------------------


def _worse(known: Sequence[Entry], new: Sequence[Entry]) -> Alert | None:
    start = next((entry.evaluation for entry in known if entry.version == 0), None)
    if start is None or not start.points:
        return None
    worse = []
    for entry in new:
        changes = [] if entry.version == 0 else _numbers(versus(_evaluation(entry), start.by_clip, "version 0"))
        if changes and min(changes) > _ROUNDING_PCT:
            span = dict.fromkeys(f"{change:.1f}" for change in (min(changes), max(changes)))
            worse.append(f"experiment {entry.number} by {' to '.join(span)} %")
    if not worse:
        return None
    return Alert(WORSE, f"worse than version 0 on every clip that can be compared: {', '.join(worse)}")


def _stagnant(known: Sequence[Entry], generation: int, patience: int) -> Alert | None:
    last = max((entry for entry in known if entry.version is not None), key=lambda e: e.version or 0, default=None)
    since = generation - last.generation if last else generation
    if since < patience:
        return None
    latest = f"the latest is version {last.version} of generation {last.generation}" if last else "there is no version"
    return Alert(STAGNATION, f"no adoption for {since} generations: {latest}")


# --- failures -----------------------------------------------------------------------------------------------


def _failing(measured: Sequence[Entry], new: int) -> list[Alert]:
    """Tell of failures among the last candidates: at least WINDOW of them, and the whole generation."""
    last = measured[-max(WINDOW, new) :]
    failures = [failure for entry in last if (failure := _evaluation(entry).failure) is not None]
    alerts = []
    if len(last) >= WINDOW and len(failures) > FAILED_SHARE * len(last):
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(f.kind for f in failures).most_common())
        alerts.append(Alert(FAILURES, f"{len(failures)} of the last {len(last)} candidates failed: {kinds}"))
    timed_out = [
        entry.number
        for entry in measured[-WINDOW:]
        if (failure := _evaluation(entry).failure) and failure.kind is FailureKind.TIMED_OUT
    ]
    if len(timed_out) >= TIMED_OUT:
        shown = f"{len(timed_out)} of the last {len(measured[-WINDOW:])} candidates ran out of time"
        alerts.append(Alert(TIME_OUTS, f"{shown}: experiments {_listed(timed_out)}"))
    return alerts


# --- gains that are none ------------------------------------------------------------------------------------


def _overfitted(entry: Entry, known: Sequence[Entry], held_out: Mapping[int, Evaluation]) -> Alert | None:
    """Compare a new version with the one before it, on the clips that were tuned to and on those that were not."""
    before = next((other for other in known if entry.version and other.version == entry.version - 1), None)
    if before is None or entry.number not in held_out or before.number not in held_out:
        return None
    seen = _gain_pct(entry.evaluation, before.evaluation)
    unseen = _gain_pct(held_out[entry.number], held_out[before.number])
    if seen is None or unseen is None or seen <= _ROUNDING_PCT or unseen >= KEPT_SHARE * seen:
        return None
    gain = f"version {entry.version} (experiment {entry.number}) gains {seen:.1f} % over version {before.version}"
    return Alert(OVERFITTING, f"{gain} on the development clips, and little or nothing elsewhere")


def _gain_pct(evaluation: Evaluation | None, reference: Evaluation | None) -> float | None:
    """Return how much rate is saved on average, percent, positive is better; None where any clip has no number."""
    if evaluation is None or reference is None:
        return None
    change = mean_bd_rate(versus(evaluation, reference.by_clip, "the version before"))
    return None if change is None else -change


def _without_curve(entry: Entry) -> Alert | None:
    """Tell of a version that no later one can be compared with: all that is spent on beating it is lost."""
    for clip, points in entry.evaluation.by_clip.items() if entry.evaluation and entry.version is not None else ():
        try:
            RDCurve.of(f"version {entry.version}", points).check()
        except RDError as error:
            never = "no candidate has a BD-rate against it, and a rule that asks for one adopts none"
            return Alert(NO_CURVE, f"on {clip}, {error}: {never}; leave that clip out, or start from another program")
    return None


def _numbers(comparisons: Sequence[Comparison]) -> list[float]:
    return [comparison.bd_rate_pct for comparison in comparisons if comparison.bd_rate_pct is not None]


def _evaluation(entry: Entry) -> Evaluation:
    """Return an entry's evaluation, of which the caller has made sure that it is there."""
    assert entry.evaluation is not None
    return entry.evaluation


def _listed(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last
