"""What comes out of a candidate besides its work, in words: reports, failures, output; it may be anything."""

import json
import math
import re
from dataclasses import dataclass

from labkit.candidate import Candidate, Failure, FailureKind, Stage
from labkit.container import Form
from labkit.jail.wire import Fault, ReportedFault, printable

REPORT_BYTES = 8192
"""The longest report of where bytes go."""
_REPORT_ROWS, _REPORT_CHARS = 16, 40
_TRACE_LINES, _DETAIL_CHARS, _LINE_CHARS = 6, 3000, 200
_LAST_WORDS = re.compile(
    rb"(?:Fatal Python error: [^\n]{1,80}\n\n)?(?:Stack|Current thread[^\n]{0,40}) \(most recent call first\):\n"
    rb"((?:  [^\n]{1,1000}\n)*)"
    rb"(?:\nExtension modules: [^\n]*\n?)?"
)
"""What faulthandler writes to a candidate's output when a signal is about to end it."""
_OWN_LINE = re.compile(rb'  File "<candidate>", line (\d{1,7}) in ([^\n]{1,80})')


def told(
    fault: Fault | ReportedFault, candidate: Candidate, stage: Stage, clip: str, qp: int | None, frame: int | None,
    output: bytes,
) -> Failure:  # fmt: skip
    """Return a failure in words; of the lines that it names, the text is our own copy's."""
    account, source = _account(fault), candidate.lines
    trace = account.trace
    if account.kind in (FailureKind.CRASHED, FailureKind.TIMED_OUT):
        trace = trace or _last_words(output)
    known = [(line, name) for line, name in trace if 0 < line <= len(source)][-_TRACE_LINES:]
    lines = [f"line {line}, in {name}: {source[line - 1].strip()[:_LINE_CHARS]}" for line, name in known]
    # indented: its own words cannot be taken for one of these lines
    words = account.detail[:_DETAIL_CHARS].replace("\n", "\n    ")
    return Failure(
        stage, account.kind, printable("\n".join([words, *lines])), clip, qp,
        account.frame if frame is None else frame, printed(output), known[-1][0] if known else None,
    )  # fmt: skip


def loaded_report(body: bytearray) -> dict[str, str]:
    """Return form and warm-up as the nursery tells them; it has run the candidate's code, so they may be anything."""
    try:
        reply = json.loads(body)
        return {"form": Form[reply["form"].upper()].name, "warmed": str(reply["warmed"])}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Fault(FailureKind.BROKE_PROTOCOL, "sent a report of its loading that cannot be read") from None


def read_report(data: bytes) -> tuple[tuple[str, float], ...]:
    """Return where an encoder says that its bytes went; of a forged report nothing but names and finite amounts."""
    try:
        rows = json.loads(data)
        return tuple(
            (printable(name[:_REPORT_CHARS]), float(amount))
            for name, amount in list(rows.items())[:_REPORT_ROWS]
            if type(amount) in (int, float) and 0 <= amount < math.inf
        )
    except (ValueError, AttributeError, RecursionError, OverflowError):
        return ()


@dataclass(frozen=True)
class _Account:
    """Why a run ended: (line, function) are of the candidate's source, innermost last."""

    kind: FailureKind
    detail: str
    trace: tuple[tuple[int, str], ...] = ()
    frame: int | None = None


def _account(fault: Fault | ReportedFault) -> _Account:
    """Return why a run ended; the child's own words are read with care, for they may be anything."""
    if isinstance(fault, Fault):
        return _Account(fault.kind, fault.detail)
    try:
        report = json.loads(fault.body)
        trace = tuple((line, " ".join(str(name)[:80].split())) for line, name in report["trace"] if type(line) is int)
        frame = report.get("frame")
        kind, detail = FailureKind(report["kind"]), str(report["detail"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _Account(FailureKind.BROKE_PROTOCOL, "sent a report of its failure that cannot be read")
    return _Account(kind, detail, trace, frame if type(frame) is int and 0 <= frame < 10**6 else None)


def _last_words(output: bytes) -> tuple[tuple[int, str], ...]:
    """Return the candidate's lines from what faulthandler wrote last, innermost last; they prove nothing."""
    found = _LAST_WORDS.findall(output)
    lines = _OWN_LINE.findall(found[-1]) if found else []
    return tuple((int(line), name.decode("ascii", "replace")) for line, name in reversed(lines))


def printed(output: bytes | bytearray) -> str:
    """Return what a candidate printed, without what faulthandler added to it."""
    return printable(_LAST_WORDS.sub(b"", output).decode("utf-8", "replace"))
