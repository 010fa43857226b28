"""A candidate codec, the failure that may end it, and what was measured of it."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from labkit.errors import CandidateError
from labkit.rd import RDPoint


@dataclass(frozen=True)
class Candidate:
    """One codec's source text and where it came from.

    Attributes:
        source: the text of one Python module that keeps the codec contract.
        proposer: who wrote it, in words fit to print.
        hypothesis: what the change should do and why, in a sentence.
        parent: hash of the candidate that it was made from; "" for a first one.
    """

    source: str
    proposer: str = "file"
    hypothesis: str = ""
    parent: str = ""

    @cached_property
    def hash(self) -> str:
        """SHA-256, hex, of the source as UTF-8."""
        return hashlib.sha256(self.source.encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The source's lines as Python counts them, from 1: line n is `lines[n - 1]`."""
        # str.splitlines would also split at a form feed and the like, and every number behind it would be wrong
        return tuple(self.source.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


def read_candidate(path: Path, proposer: str = "file", hypothesis: str = "", parent: str = "") -> Candidate:
    """Return the candidate in a file; its hypothesis is the first line of its docstring unless one is given.

    Raises:
        CandidateError: the file cannot be read, or is not UTF-8.
    """
    try:
        source = path.read_bytes().decode("utf-8")  # bytes: the text that is hashed is the text that is run
    except OSError as error:
        raise CandidateError(f"{path}: {error.strerror}; name a Python file with a codec") from error
    except UnicodeDecodeError as error:
        raise CandidateError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    return Candidate(source, proposer, hypothesis or first_sentence(source), parent)


def first_sentence(source: str) -> str:
    """Return the first line of a module's docstring, "" if there is none."""
    text = source.lstrip()
    for quotes in ('"""', "'''"):
        if text.startswith(quotes):
            body = text[3:].split(quotes)[0].strip()
            return body.splitlines()[0] if body else ""
    return ""


@dataclass(frozen=True)
class CodeQuality:
    """What can be counted of a program's text; `labkit.policy.code_quality` counts it. Fewer is better.

    Attributes:
        source_bytes: of the text as UTF-8; compressed_bytes: the same by this machine's zlib, level 9.
        lines: with something on them, comments too.
        functions: methods and nested ones too, lambdas not.
        complexity: sum over the functions of McCabe's cyclomatic complexity; max_complexity: the largest of them.
        most_complex: the function that has the largest, with the classes and functions it is nested in; "" if none.
        dependencies: top-level modules that are imported anywhere, sorted.
    """

    source_bytes: int
    compressed_bytes: int
    lines: int
    functions: int
    complexity: int
    max_complexity: int
    most_complex: str
    dependencies: tuple[str, ...]


class Stage(StrEnum):
    """How far a candidate had come when it failed."""

    CHECK = "check"
    LOAD = "load"
    ENCODE = "encode"
    DECODE = "decode"


class FailureKind(StrEnum):
    """What went wrong; every kind is the candidate's fault."""

    REFUSED = "refused"  # the static check found something
    RAISED = "raised"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    CRASHED = "crashed"  # ended by a signal
    LEFT = "left without a reply"
    WRONG_TYPE = "wrong type"
    WRONG_SHAPE = "wrong shape"
    TOO_LARGE = "too large"
    BROKE_PROTOCOL = "broke the protocol"
    NO_CONTRACT = "does not keep the contract"
    VARIES = "differs from run to run"


@dataclass(frozen=True)
class Failure:
    """Why a candidate has no result. Data, never an exception, never a score.

    Attributes:
        clip: the clip's name, "" before any clip was touched.
        qp: the QP, None before any was asked for.
        frame: index of the frame, None where there is none.
        detail: "what came, expected what" (of a limit: "what came, limit what"), then the lines of the source
            that led there, innermost last; escaped and capped.
        output: what the candidate printed, escaped and capped.
        line: of the candidate's source, from 1: the innermost one that was at work; None where none is known.
    """

    stage: Stage
    kind: FailureKind
    detail: str
    clip: str = ""
    qp: int | None = None
    frame: int | None = None
    output: str = ""
    line: int | None = None

    @property
    def place(self) -> str:
        """Where it happened, as far as that is known: "decode, foreman, QP 32, frame 7, line 12"."""
        place = [str(self.stage)]
        place += [self.clip] if self.clip else []
        place += [f"QP {self.qp}"] if self.qp is not None else []
        place += [f"frame {self.frame}"] if self.frame is not None else []
        place += [f"line {self.line}"] if self.line is not None else []
        return ", ".join(place)

    def __str__(self) -> str:
        # indented: no line of a candidate's words can be taken for one of ours
        detail = self.detail.replace("\n", "\n    ")
        return f"{self.kind} ({self.place}): {detail}"


@dataclass(frozen=True)
class Evaluation:
    """All rate points of a candidate, or the failure that ended it: never both.

    Attributes:
        candidate: hash of the candidate.
        isolation: level of the wall it ran behind.
        points: one per clip and QP; empty for a failure.
        wall_s: seconds by our clock from the first request to the last figure.
        cpu_s: CPU seconds of the candidate's own processes, loading and warming included.
        warmed: whether the candidate was run once on a synthetic clip before the first encode.
        output: what the candidate printed, escaped and capped.
        stopped: why it was ended before its last point: the proof that it can no longer win; "" for a whole one.
        cached: how many of the points were taken from the cache: measured before, by the same program.
    """

    candidate: str
    isolation: str
    points: tuple[RDPoint, ...] = ()
    failure: Failure | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    warmed: bool = False
    output: str = field(default="", repr=False)
    stopped: str = ""
    cached: int = 0

    def __post_init__(self) -> None:
        if bool(self.points) == (self.failure is not None):
            raise ValueError("an evaluation holds either rate points or a failure, never both or neither")

    @property
    def clips(self) -> tuple[str, ...]:
        """Names of the clips, in order of measurement."""
        return tuple(dict.fromkeys(point.clip for point in self.points))

    def on(self, clip: str) -> tuple[RDPoint, ...]:
        """Return the points of one clip, by rising rate."""
        return tuple(sorted((p for p in self.points if p.clip == clip), key=lambda p: p.rate_kbps))

    @property
    def by_clip(self) -> dict[str, tuple[RDPoint, ...]]:
        """The points by clip, each by rising rate."""
        return {clip: self.on(clip) for clip in self.clips}


@dataclass(frozen=True)
class Check:
    """What a would-be adoption has to stand besides the judge's rule, and how it came out.

    Attributes:
        kind: "robustness", "confirmation" or "held out".
        passed: whether it may be adopted as far as this goes.
        detail: in words and numbers; one that is held out is shown to people and never to a proposer.
        failure: what a candidate did where it failed; None elsewhere.
        wall_s: by our clock; cpu_s: of the candidate's processes.
    """

    kind: str
    passed: bool
    detail: str
    failure: Failure | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
