"""What an audit finds: proven, only stated, or failed; and the report of it all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from labkit.jail.wire import printable

_LONGEST = 2000


class Kind(StrEnum):
    """How far a recorded thing could be checked."""

    PROVEN = "proven"  # computed again from what is kept, with the same result
    STATED = "stated"  # nothing that is kept says otherwise, and nothing proves it
    FAILED = "failed"  # what is kept says otherwise, or evidence is missing


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: the row or file.
        detail: what was found, in words and numbers; may hold words of others.
    """

    kind: Kind
    what: str
    detail: str

    def __str__(self) -> str:
        return printable(f"{self.what}: {self.detail}", _LONGEST).replace("\n", "\n    ")


def proven(what: str, detail: str) -> Finding:
    """Return a finding of something that was computed again with the same result."""
    return Finding(Kind.PROVEN, what, detail)


def stated(what: str, detail: str) -> Finding:
    """Return a finding of something that cannot be computed again from what is kept."""
    return Finding(Kind.STATED, what, detail)


def failed(what: str, detail: str) -> Finding:
    """Return a finding of something that is missing, or that what is kept contradicts."""
    return Finding(Kind.FAILED, what, detail)


def unless(found: Iterable[Finding], what: str, detail: str) -> list[Finding]:
    """Return what was found; if there is no failure among it, that it is proven besides."""
    findings = list(found)
    return findings if any(finding.kind is Kind.FAILED for finding in findings) else [proven(what, detail), *findings]


@dataclass(frozen=True)
class AuditReport:
    """The truth report of a campaign."""

    folder: Path
    findings: tuple[Finding, ...]

    def of(self, kind: Kind) -> tuple[Finding, ...]:
        """Return the findings of one kind, in the order in which they were looked for."""
        return tuple(finding for finding in self.findings if finding.kind is kind)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.of(Kind.FAILED)

    @property
    def summary(self) -> str:
        """One line: "proven: 31, stated: 9, failed: 0"."""
        return ", ".join(f"{kind}: {len(self.of(kind))}" for kind in Kind)

    def lines(self) -> Iterator[tuple[Kind | None, str]]:
        """Yield the report line by line, each with the kind of finding that it tells; None for the summary."""
        for kind in Kind:
            if found := self.of(kind):
                yield kind, f"{_HEADINGS[kind]}:"
                yield from ((kind, f"  {finding}") for finding in found)
        yield None, self.summary

    def record(self) -> dict[str, Any]:
        """Return the report for JSON."""
        lists = {str(kind): [{"what": f.what, "detail": f.detail} for f in self.of(kind)] for kind in Kind}
        return {"campaign": str(self.folder), "passed": self.passed, "summary": self.summary, **lists}

    def __str__(self) -> str:
        return "\n".join(line for _, line in self.lines())


_HEADINGS = {
    Kind.PROVEN: "proven (computed again from what is kept)",
    Kind.STATED: "only stated (nothing that is kept proves it)",
    Kind.FAILED: "failed",
}
