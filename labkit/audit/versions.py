"""The versions in git: each tag points at the source in the ledger, and the working file holds the same."""

import re
from collections.abc import Iterator

from labkit.adopt import REFERENCE, mean_bd_rate, versus
from labkit.audit.finding import Finding, failed, stated, unless
from labkit.audit.recorded import Recorded
from labkit.errors import LineageError
from labkit.ledger import Entry
from labkit.lineage import AUTHOR, Lineage, one_line

_VERSION = re.compile(r"v\d+")
_TRAILER = re.compile(r"^([A-Za-z][\w-]*): (.*)$", re.MULTILINE)


def check_versions(recorded: Recorded) -> list[Finding]:
    """Return whether git and the working files hold the text of every version."""
    lineage = Lineage(recorded.folder)
    settled = [entry for entry in recorded.adopted if entry.generation in recorded.ended]
    faults = [fault for entry in settled for fault in _of_version(recorded, lineage, entry)]
    if not recorded.running:
        faults += _of_nobody(recorded, lineage)
    told = f"{len(settled)}: tag, commit, its message and the file under versions/ hold what the ledger says"
    found = unless(faults, "versions", told)
    open_ones = [f"v{entry.version}" for entry in recorded.adopted if entry not in settled]
    return [*found, *(stated(name, "its generation has not ended: git was not looked at") for name in open_ones)]


def _of_version(recorded: Recorded, lineage: Lineage, entry: Entry) -> Iterator[Finding]:
    assert entry.version is not None
    source = entry.candidate.source.encode("utf-8", "surrogatepass")
    path = lineage.path(entry.version)
    name = f"versions/{path.name}"
    if not path.exists():
        yield failed(name, f"is gone; the ledger has its text: entry {entry.number}")
    elif path.read_bytes() != source:
        yield failed(name, f"holds another text than entry {entry.number}")
    try:
        text, message = lineage.tagged(entry.version)
    except LineageError as error:
        yield failed(f"tag v{entry.version}", str(error))
        return
    if text != source:
        yield failed(f"tag v{entry.version}", f"points at another text than entry {entry.number}")
    yield from _message(recorded, entry, message)
    if others := lineage.written_by(entry.version) - {AUTHOR}:
        yield failed(f"tag v{entry.version}", f"its commit is by {', '.join(sorted(others))}, not by {AUTHOR}")


def _message(recorded: Recorded, entry: Entry, message: str) -> Iterator[Finding]:
    """Return what a commit's subject and trailers tell otherwise than the ledger."""
    assert entry.evaluation is not None
    assert entry.verdict is not None
    subject = f"v{entry.version}: {entry.candidate.hypothesis or entry.candidate.proposer}"
    told = dict(_TRAILER.findall(message)) | {"Subject": message.partition("\n")[0]}
    anchor = recorded.anchors.get(REFERENCE, {})
    expected = {
        "Subject": subject,
        "Candidate": entry.candidate.hash,
        "Generation": str(entry.generation),
        "Proposer": entry.candidate.proposer,
        "BD-rate-champion": _percent(entry.verdict.bd_rate_pct),
        f"BD-rate-{REFERENCE}": _percent(mean_bd_rate(versus(entry.evaluation, anchor, REFERENCE)) if anchor else None),
        "Isolation": entry.evaluation.isolation,
    }
    for key, value in expected.items():
        if told.get(key) != one_line(value).strip():
            yield failed(f"tag v{entry.version}", f"its commit says {key}: {told.get(key)}; the ledger: {value}")


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:+.2f} %"


def _of_nobody(recorded: Recorded, lineage: Lineage) -> Iterator[Finding]:
    known = {f"v{entry.version}" for entry in recorded.adopted}
    for path in sorted((recorded.folder / "versions").glob("v*.py")):
        if path.stem not in known:
            yield failed(f"versions/{path.name}", "is of no version that the ledger has")
    if (recorded.folder / ".git").exists():
        for tag in sorted(lineage.tags() - known):
            if _VERSION.fullmatch(tag):
                yield failed(f"tag {tag}", "is of no version that the ledger has")
