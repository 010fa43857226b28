"""The verdicts, judged again by the campaign's own judge from the recorded figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from labkit.adopt import Round, Rule, Verdict, judge, judge_round, start_verdict
from labkit.audit.finding import Finding, failed, unless
from labkit.audit.recorded import Recorded, read_rule
from labkit.audit.same import same
from labkit.candidate import CodeQuality, Evaluation
from labkit.ledger import Entry
from labkit.policy import code_quality

_code_quality = lru_cache(1000)(code_quality)
"""It starts a process: a source that was looked at is not looked at again."""


def check_verdicts(recorded: Recorded) -> list[Finding]:
    """Return whether every verdict follows from the figures, the champion, the rule and the checks of its time."""
    faults = [*_rules(recorded)]
    rows = {row.proposal: row for row in recorded.rows("verdicts")}
    count = 0
    for generation, entries in recorded.generations.items():
        judged = [entry for entry in entries if entry.verdict is not None]
        count += len(judged)
        if judged:
            faults += _generation(recorded, generation, entries, rows)
    told = f"{count} follow again from figures, champion, rule and checks: decision, BD-rates by clip and mean, reasons"
    return unless(faults, "verdicts", told)


def _rules(recorded: Recorded) -> Iterator[Finding]:
    for row in recorded.rows("verdicts"):
        if read_rule(row.rule) != recorded.settings.rule:
            yield failed(f"verdict on entry {row.proposal}", f"by {row.rule}, the settings' rule is another")


def _generation(
    recorded: Recorded, generation: int, entries: Sequence[Entry], rows: Mapping[int, Any]
) -> Iterator[Finding]:
    measured = {entry.number: entry.evaluation for entry in entries if entry.evaluation is not None}
    try:
        again = _judged_again(recorded, generation, measured, rows)
    except ValueError as error:
        yield failed(f"verdicts of generation {generation}", f"cannot follow from the figures: {error}")
        return
    for entry in entries:
        if entry.verdict is None or entry.number not in measured:
            continue
        what = f"verdict on entry {entry.number}"
        ours, theirs = _plain(entry.verdict), _plain(again.verdicts[entry.number])
        for name, value in theirs.items():
            if not same(ours[name], value, bool(recorded.other_versions)):
                yield failed(what, f"{name} follows as {value!r}, the ledger says {ours[name]!r}")
        if (entry.number == again.best) != (entry.version is not None):
            wins = "wins" if entry.number == again.best else "does not win"
            yield failed(what, f"it {wins} its generation, the ledger says otherwise")


def _judged_again(
    recorded: Recorded, generation: int, measured: Mapping[int, Evaluation], rows: Mapping[int, Any]
) -> Round:
    if generation == 0:
        return judge_round({number: start_verdict(evaluation) for number, evaluation in measured.items()}, {})
    champion = recorded.champion_before(generation)
    beaten = champion.evaluation if champion else None
    rule = next((read_rule(rows[number].rule) for number in measured if number in rows), recorded.settings.rule)
    beaten_code = code_of(champion, rule) if champion else None
    sources = {entry.number: code_of(entry, rule) for entry in recorded.generations[generation]}
    judged = {
        number: judge(evaluation, beaten, rule, recorded.anchors, sources[number], beaten_code)
        for number, evaluation in measured.items()
    }
    return judge_round(judged, recorded.checks)


def code_of(entry: Entry, rule: Rule) -> CodeQuality | None:
    """Return what the rule may ask of an entry's source; None if it asks nothing."""
    asks = rule.max_source_bytes or rule.max_complexity or rule.charge_source
    return _code_quality(entry.candidate.source) if asks else None


def _plain(verdict: Verdict) -> dict[str, Any]:
    values = asdict(verdict)
    return values | {"by_clip": tuple(tuple(comparison.values()) for comparison in values["by_clip"])}
