"""No row is missing: settings, generations, entries, versions, rate points, and nothing belongs to nobody."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from labkit.anchors import ANCHORS
from labkit.audit.finding import Finding, failed, stated, unless
from labkit.audit.recorded import Recorded
from labkit.ledger import DEVELOPMENT, HELD_OUT_ROLE, Entry
from labkit.settings import make_settings

_OF_ENTRIES = (
    "evaluations", "rate_points", "reported_bytes", "programs", "verdicts", "costs", "held_out_evaluations",
    "held_out_points", "checks", "vmaf", "goal_points",
)  # fmt: skip
"""Tables whose rows may belong to an entry."""


def check_settings(recorded: Recorded) -> list[Finding]:
    """Return whether the settings that decide what numbers mean stayed what they were."""
    given = [make_settings(row.settings, "settings") for row in recorded.rows("campaign")]
    faults = [
        failed(f"settings, row {number}", f"differ from the first ones: {'; '.join(changed)}")
        for number, settings in enumerate(given, start=1)
        if (changed := settings.differences(given[0]))
    ]
    return unless(faults, "settings", "what decides what numbers mean was never changed")


# --- generations -------------------------------------------------------------------------------------------


def check_generations(recorded: Recorded) -> list[Finding]:
    """Return whether the generations follow each other without a gap, each with beginning, champion and end."""
    begun, ended = recorded.begun, recorded.ended
    last = max(begun, default=-1)
    faults = [failed(f"generation {n}", "has no beginning") for n in range(last + 1) if n not in begun]
    faults += [failed(f"generation {n}", "has an end and no beginning") for n in ended if n not in begun]
    faults += [failed(f"generation {n}", "has no end, and a later one began") for n in range(last) if n not in ended]
    for number, row in begun.items():
        champion = recorded.champion_before(number)
        expected = None if champion is None else champion.version
        if row.champion_version != expected:
            was, is_now = _version(row.champion_version), _version(expected)
            faults.append(
                failed(f"generation {number}", f"began with champion {was}; the verdicts before make it {is_now}")
            )
    told = f"{len(ended)} complete, numbers without a gap, each began with the champion of the verdicts before"
    return [*unless(faults, "generations", told), *([] if last in ended or last < 0 else [_open_end(recorded, last)])]


def _open_end(recorded: Recorded, number: int) -> Finding:
    """Return what the missing end of the last generation says."""
    entries = recorded.generations[number]
    if recorded.running:
        return stated(f"generation {number}", "is being run now: audited as far as it is recorded")
    if entries and all(entry.verdict for entry in entries):
        why = "all its verdicts stand and its end does not: removed, or broken off just there"
        return failed(f"generation {number}", f"{why}; `labkit evolve --name {recorded.folder.name}` ends it")
    return stated(f"generation {number}", "broke off before its end: audited as far as it is recorded")


def _version(number: int | None) -> str:
    return "none" if number is None else f"v{number}"


# --- entries -----------------------------------------------------------------------------------------------


def check_entries(recorded: Recorded) -> list[Finding]:
    """Return whether every candidate has its rows, and numbers, slots and versions have no gap."""
    faults = [
        *_numbers(recorded),
        *_slots(recorded),
        *(fault for entry in recorded.entries for fault in _of_entry(recorded, entry)),
        *_versions(recorded),
        *_orphans(recorded),
    ]
    told = (
        f"{len(recorded.entries)} candidates, each with proposal, program, cost, evaluation, verdict; no gap in numbers"
    )
    return unless(faults, "entries", told)


def _numbers(recorded: Recorded) -> Iterator[Finding]:
    numbers = [entry.number for entry in recorded.entries]
    for missing in sorted(set(range(max(numbers, default=-1) + 1)) - set(numbers)):
        yield failed(f"entry {missing}", "is gone: later ones stand")
    for before, after in zip(recorded.entries, recorded.entries[1:], strict=False):
        if after.generation < before.generation:
            yield failed(f"entry {after.number}", f"is of generation {after.generation}, the one before of a later one")


def _slots(recorded: Recorded) -> Iterator[Finding]:
    told = {
        (row.generation, str(row.text).partition(":")[0])
        for row in recorded.ledger.alerts()
        if row.kind == "nothing proposed"
    }
    for generation, entries in recorded.generations.items():
        have = {entry.slot for entry in entries}
        for slot in range(max(have, default=-1) + 1):
            if slot not in have and (generation, f"slot {slot}") not in told:
                yield failed(
                    f"generation {generation}", f"slot {slot} has neither a candidate nor an alert that says why"
                )


def _of_entry(recorded: Recorded, entry: Entry) -> Iterator[Finding]:
    what = f"entry {entry.number}"
    if entry.generation not in recorded.begun:
        yield failed(what, f"is of generation {entry.generation}, which never began")
    if entry.generation in recorded.ended:
        if entry.evaluation is None:
            yield failed(what, "has no evaluation, and its generation has ended")
        if entry.verdict is None:
            yield failed(what, "has no verdict, and its generation has ended")
    if entry.verdict is not None and entry.evaluation is None:
        yield failed(what, "has a verdict and no evaluation")
    if entry.verdict is not None and entry.verdict.adopted != (entry.version is not None):
        yield failed(what, f"is {entry.verdict.decision} and has version {_version(entry.version)}")
    for table in ("programs", "costs") if recorded.rows("programs") else ("costs",):
        count = sum(row.proposal == entry.number for row in recorded.rows(table))
        if count != 1:
            yield failed(what, f"has {count} rows in {table}, expected 1")


def _versions(recorded: Recorded) -> Iterator[Finding]:
    for expected, entry in enumerate(recorded.adopted):
        if entry.version != expected:
            yield failed(f"entry {entry.number}", f"is version {entry.version}, expected {expected}")
    for generation, count in Counter(entry.generation for entry in recorded.adopted).items():
        if count > 1:
            yield failed(f"generation {generation}", f"has {count} adopted candidates, at most one can be")


def _orphans(recorded: Recorded) -> Iterator[Finding]:
    known = {entry.number for entry in recorded.entries}
    for table in _OF_ENTRIES:
        for number in sorted({row.proposal for row in recorded.rows(table)} - known - {None}):
            yield failed(f"table {table}", f"has a row of entry {number}, which is not there")


# --- rate points -------------------------------------------------------------------------------------------


def check_points(recorded: Recorded) -> list[Finding]:
    """Return whether each candidate has a point for every clip and QP, unless it failed or was stopped."""
    clips = recorded.ledger.clips()
    faults, count = [], 0
    for entry in recorded.entries:
        if entry.evaluation is not None and entry.evaluation.points:
            count += len(entry.evaluation.points)
            whole = not entry.evaluation.stopped
            faults += _compared(f"entry {entry.number}", entry.evaluation.points, clips, recorded.settings.qps, whole)
    held_out = recorded.ledger.clips(HELD_OUT_ROLE)
    for number, evaluation in recorded.held_out.items():
        if evaluation.points:
            what = f"entry {number}, held out"
            faults += _compared(what, evaluation.points, held_out, recorded.settings.qps, not evaluation.stopped)
    faults += _anchors(recorded, DEVELOPMENT) + _anchors(recorded, HELD_OUT_ROLE)
    return unless(faults, "rate points", f"{count} of candidates, one for each clip and QP of all that did not fail")


def _compared(what: str, points: Sequence[Any], clips: Any, qps: Sequence[int], whole: bool) -> list[Finding]:
    have, wanted = {(point.clip, point.qp) for point in points}, {(clip, qp) for clip in clips for qp in qps}
    faults = [
        failed(what, f"has a point of {clip} at {qp}, which nobody asked for") for clip, qp in sorted(have - wanted)
    ]
    missing = sorted(wanted - have) if whole else []
    return faults + [failed(what, f"has no point of {clip} at {qp}") for clip, qp in missing]


def _anchors(recorded: Recorded, role: str) -> list[Finding]:
    """Return what real encoders lack: a curve on each clip, or an alert that says why there is none."""
    measured, clips = recorded.ledger.anchors(role), recorded.ledger.clips(role)
    told = {str(row.text).partition(":")[0] for row in recorded.ledger.alerts() if row.kind == "anchor missing"}
    asked = recorded.settings.anchors if role == DEVELOPMENT and 0 in recorded.ended else ()
    faults = [failed(f"anchor {name}", "is none that labkit knows") for name in measured.keys() - ANCHORS.keys()]
    for name in dict.fromkeys((*asked, *(name for name in measured if name in ANCHORS))):
        for clip in clips:
            points = measured.get(name, {}).get(clip, ())
            if points or (name in asked and f"{name} on {clip}" not in told):
                faults += _compared(f"{name} on {clip}", points, [clip], ANCHORS[name].crfs, whole=True)
    return faults
