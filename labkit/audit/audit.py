"""The audit of a campaign: everything is computed again from what is kept, and nothing is changed."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from labkit.audit.checks import check_canaries, check_checks, check_held_out
from labkit.audit.containers import check_containers
from labkit.audit.costs import check_costs, check_exchanges
from labkit.audit.database import FILE, check_cells, check_gaps, check_triggers, check_whole, copied, reading
from labkit.audit.encoders import check_encoders
from labkit.audit.figures import check_figures, check_isolation
from labkit.audit.finding import AuditReport, Finding, Kind, failed
from labkit.audit.footage import read_footage
from labkit.audit.recorded import Recorded, senseless
from labkit.audit.rows import check_entries, check_generations, check_points, check_settings
from labkit.audit.sources import check_programs, check_rejected, check_sources
from labkit.audit.told import what_is_told
from labkit.audit.verdicts import check_verdicts
from labkit.audit.versions import check_versions
from labkit.errors import NoCampaignError
from labkit.ledger import Ledger
from labkit.lock import holder

_CHECKS: tuple[Callable[[Recorded], list[Finding]], ...] = (
    check_settings, check_generations, check_entries, check_points, check_figures, check_isolation, check_sources,
    check_programs, check_verdicts, check_checks, check_held_out, check_canaries, check_versions, check_rejected,
    check_costs, check_exchanges,
)  # fmt: skip
"""What needs the ledger and small files alone."""


def audit(
    folder: Path,
    *,
    anchors: bool = False,
    decode: bool = True,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> AuditReport:
    """Return the truth report of the campaign in `folder`; nothing in it is changed, also while it is running.

    Args:
        anchors: let real encoders code one clip again.
        decode: decode the kept containers with their candidates, behind the wall.

    Raises:
        NoCampaignError: there is none in `folder`.
        LedgerError: its ledger is no database.
        JailError: the wall broke while candidates ran.
    """
    if not (folder / FILE).exists():
        raise NoCampaignError(f"{folder} holds no campaign; `labkit evolve --name {folder.name}` makes one")
    running = holder(folder) is not None
    with TemporaryDirectory() as scratch:
        findings, readable = _copied(folder, Path(scratch))
        if readable:
            with closing(Ledger.at(Path(scratch))) as ledger:
                faults = senseless(ledger)
                findings += faults or _audited(Recorded.of(folder, ledger, running), anchors, decode, progress)
                readable = not faults
    return AuditReport(folder, (*findings, *(() if readable else (_no_further(),))))


def _copied(folder: Path, scratch: Path) -> tuple[list[Finding], bool]:
    """Look at the database's file and copy it; return what was found and whether its rows can be read."""
    with reading(folder) as original:
        found = check_whole(original)
        if not _none_failed(found):
            return found, False
        cells = check_cells(original)
        copied(original, scratch)
        return [*found, *check_triggers(original), *check_gaps(original), *cells], _none_failed(cells)


def _audited(
    recorded: Recorded, anchors: bool, decode: bool, progress: Callable[[int, int, str], None]
) -> Iterator[Finding]:
    for done, check in enumerate(_CHECKS):
        progress(done, len(_CHECKS), check.__name__.removeprefix("check_"))
        yield from check(recorded)
    footage = read_footage(recorded)
    yield from footage.findings
    yield from check_containers(recorded, footage, decode, progress)
    yield from check_encoders(recorded, footage, anchors, progress)
    yield from what_is_told(recorded)


def _none_failed(findings: list[Finding]) -> bool:
    return all(finding.kind is not Kind.FAILED for finding in findings)


def _no_further() -> Finding:
    return failed("ledger", "nothing more was looked at: with such rows nothing can be computed again")
