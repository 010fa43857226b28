"""What adoptions had to stand besides the judge, and what had to come out right before anything was measured."""

from collections.abc import Iterator, Mapping, Sequence

from labkit.adopt import Decision, judge_held_out
from labkit.audit.finding import Finding, failed, stated, unless
from labkit.audit.recorded import Recorded
from labkit.audit.verdicts import code_of
from labkit.canaries import CANARIES
from labkit.candidate import Check
from labkit.jail import Level
from labkit.ledger import DECISION

HELD_OUT = "held out"


def check_checks(recorded: Recorded) -> list[Finding]:
    """Return whether each adoption stood every kind of check that this campaign makes."""
    kinds = dict.fromkeys(recorded.settings.checks if recorded.knows("robustness") else ())
    kinds |= dict.fromkeys(check.kind for found in recorded.checks.values() for check in found)
    judged = [entry for entry in recorded.adopted if entry.generation > 0]
    faults = []
    for entry in judged:
        passed = {check.kind: check.passed for check in recorded.checks.get(entry.number, ())}
        faults += [
            failed(f"v{entry.version} (entry {entry.number})", f"was adopted without a passed check: {kind}")
            for kind in kinds
            if not passed.get(kind)
        ]
    for number, found in recorded.checks.items():
        faults += [*_adopted_all_the_same(recorded, number, found), *_held_out_again(recorded, number, found)]
    told = f"{len(judged)} adoptions, each with a passed check: {', '.join(kinds)}"
    once = [check for found in recorded.checks.values() for check in found if check.kind != HELD_OUT]
    again = [stated("checks", f"{len(once)} of confirmation or robustness are not made again")] if once else []
    return [*(unless(faults, "checks", told) if kinds else faults), *again]


def _adopted_all_the_same(recorded: Recorded, number: int, checks: Sequence[Check]) -> Iterator[Finding]:
    verdict = next((entry.verdict for entry in recorded.entries if entry.number == number), None)
    if verdict and verdict.decision is Decision.ADOPTED and not all(check.passed for check in checks):
        yield failed(f"entry {number}", "did not stand a check and was adopted all the same")


def _held_out_again(recorded: Recorded, number: int, checks: Sequence[Check]) -> Iterator[Finding]:
    """Judge the figures on held-out clips again; yield in what the recorded check differs."""
    made = next((check for check in checks if check.kind == HELD_OUT), None)
    entry = next((entry for entry in recorded.entries if entry.number == number), None)
    if made is None or entry is None:
        return
    champion, rule = recorded.champion_before(entry.generation), recorded.settings.rule
    figures = recorded.held_out.get(number)
    beaten = recorded.held_out.get(champion.number) if champion else None
    if figures is None or (champion is not None and beaten is None):
        yield failed(f"entry {number}", "was judged on held-out clips, and figures there are not recorded")
        return
    beaten_code = code_of(champion, rule) if champion else None
    try:
        again = judge_held_out(figures, beaten, rule, code_of(entry, rule), beaten_code)
    except ValueError as error:
        yield failed(f"check of entry {number}, held out", f"cannot follow from the figures: {error}")
        return
    if (again.passed, again.detail) != (made.passed, made.detail):
        yield failed(
            f"check of entry {number}, held out", f"follows as {again.detail!r}, the ledger says {made.detail!r}"
        )


def check_held_out(recorded: Recorded) -> list[Finding]:
    """Return how often held-out clips were used, and whether each use was for an entry that was judged."""
    uses = recorded.ledger.held_out_uses()
    if not uses:
        return []
    known = {entry.number for entry in recorded.entries}
    faults = [
        failed("held-out clips", f"measured for entry {use.proposal}, which is not there")
        for use in uses
        if use.proposal not in known
    ]
    faults += _counted(recorded, {use.proposal: use.purpose or "" for use in uses})
    return unless(
        faults, "held-out clips", f"measured for {len(uses)} programs; the check of each follows from figures"
    )


def _counted(recorded: Recorded, purposes: Mapping[int, str]) -> Iterator[Finding]:
    """Yield each use that is counted as a decision and was none, or the other way round."""
    for entry in recorded.entries:
        purpose = purposes.get(entry.number)
        if purpose is None or entry.generation not in recorded.ended:
            continue
        decided = any(check.kind == HELD_OUT for check in recorded.checks.get(entry.number, ()))
        if decided != purpose.startswith(DECISION):
            told = "a decision" if decided else "no decision"
            yield failed("held-out clips", f"entry {entry.number}: {told} was made there, its use says {purpose!r}")


def check_canaries(recorded: Recorded) -> list[Finding]:
    """Return whether the programs of known result last came out as they must, if there were any."""
    last = {row.name: row for row in recorded.ledger.canaries()}
    faults = [
        failed(f"canary {name}", f"came out as {row.came}, expected {row.expected}, and the campaign went on")
        for name, row in last.items()
        # without a wall nothing holds some of them: that is said of the campaign as a whole
        if not row.passed and recorded.begun and Level.of(row.isolation).fenced
    ]
    if faults or not recorded.begun:
        return faults
    silent = [name for name in CANARIES if name not in last]
    told = f"; not recorded: {', '.join(silent)}" if silent else ""
    return [stated("canaries", f"{len(last)} came out as they must{told}")]
