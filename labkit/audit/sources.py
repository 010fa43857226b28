"""The programs: each stored text is the one that its hash names, and the files beside the ledger hold the same."""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from labkit.audit.finding import Finding, failed, stated, unless
from labkit.audit.recorded import Recorded
from labkit.candidate import Stage
from labkit.evaluate import refused
from labkit.ledger import Entry
from labkit.lineage import rejected_files
from labkit.policy import normal_hash

_normal_hash, _refused = lru_cache(1000)(normal_hash), lru_cache(1000)(refused)
"""Each starts a process: a source that was looked at is not looked at again."""


def check_sources(recorded: Recorded) -> list[Finding]:
    """Return whether every stored source hashes to the hash that its rows name."""
    sources = {entry.number: entry.candidate.hash for entry in recorded.entries}
    faults = []
    for table, key in (("proposals", "number"), ("evaluations", "proposal"), ("held_out_evaluations", "proposal")):
        for row in recorded.rows(table):
            number = getattr(row, key)
            if row.candidate != sources.get(number, row.candidate):
                told = f"{table} names candidate {row.candidate[:12]}, its stored source is {sources[number][:12]}"
                faults.append(failed(f"entry {number}", told))
    known: set[str] = {""}
    for entry in recorded.entries:
        if entry.candidate.parent not in known:
            faults.append(
                failed(f"entry {entry.number}", f"its parent {entry.candidate.parent[:12]} is no earlier entry")
            )
        known.add(entry.candidate.hash)
    return unless(faults, "sources", f"all {len(sources)} stored sources hash to what the rows of their entry name")


def check_programs(recorded: Recorded) -> list[Finding]:
    """Return whether the static check and the normal form say of each source what was recorded."""
    programs = recorded.ledger.programs()
    faults = []
    for entry in recorded.entries:
        if entry.number in programs and programs[entry.number] != _normal_hash(entry.candidate.source):
            faults.append(
                failed(f"entry {entry.number}", "the normal hash of its program is another than the stored one")
            )
        faults += _rechecked(entry)
    kinds = Counter(entry.evaluation.failure.stage for entry in recorded.entries if entry.evaluation
                    and entry.evaluation.failure)  # fmt: skip
    others = sum(kinds.values()) - kinds[Stage.CHECK]
    told = f"normal hashes of all; the static check refuses again the {kinds[Stage.CHECK]} that it refused, no other"
    found = unless(faults, "programs", told)
    if not programs and recorded.entries:
        found.append(stated("programs", "no normal hash is recorded: the ledger is older than these"))
    again = f"candidates that failed when they were run, and are not run again: {others}"
    return [*found, stated("failures", again)] if others else found


def _rechecked(entry: Entry) -> Iterator[Finding]:
    if entry.evaluation is None:
        return
    failure, again = entry.evaluation.failure, _refused(entry.candidate)
    was = failure if failure is not None and failure.stage is Stage.CHECK else None
    if was != again:
        told = "nothing" if again is None else f"{again.detail!r}"
        yield failed(f"entry {entry.number}", f"the static check finds {told}, recorded is {was and was.detail!r}")


def check_rejected(recorded: Recorded) -> list[Finding]:
    """Return whether the files of rejected candidates hold what the ledger says, and no file is of nobody."""
    faults: list[Finding] = []
    same = gone = 0
    for entry in recorded.entries:
        if entry.verdict is None or entry.version is not None or entry.generation not in recorded.ended:
            continue
        for name, expected in rejected_files(entry.number, entry.candidate, entry.verdict.reasons).items():
            path = recorded.folder / "rejected" / name
            if not path.exists():
                gone += 1
            elif path.read_bytes() != expected:
                faults.append(
                    failed(f"rejected/{name}", f"holds something else than the ledger says of entry {entry.number}")
                )
            else:
                same += 1
    faults += _of_nobody(recorded)
    found = unless(faults, "rejected/", f"{same} files hold what the ledger says of their entries")
    return [*found, stated("rejected/", f"{gone} files are gone; the ledger has their text")] if gone else found


def _of_nobody(recorded: Recorded) -> Iterator[Finding]:
    if recorded.running:  # the campaign may have written it since the ledger was read
        return
    known: dict[str, Any] = {f"{entry.number:04d}": entry for entry in recorded.entries}
    for folder in ("rejected", "bitstreams"):
        for path in sorted((recorded.folder / folder).glob("*")):
            if path.stem.removesuffix("-held-out") not in known:
                yield failed(
                    f"{folder}/{path.name}",
                    "is of no entry that the ledger has: rows were removed, or it was put there",
                )
