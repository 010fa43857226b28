"""One thing that the static check found, in words that teach."""

from dataclasses import dataclass

_LONGEST = 300
_CUT = "..."


@dataclass(frozen=True, order=True)
class Finding:
    """What stands in a line of a candidate, why it is refused, and what to do instead.

    Every text is escaped and at most 300 characters: parts of a hostile source are shown in it.

    Attributes:
        line: counts from 1; 0 for the source as a whole.
    """

    line: int
    what: str
    why: str
    instead: str

    def __post_init__(self) -> None:
        for name in ("what", "why", "instead"):
            object.__setattr__(self, name, _shown(getattr(self, name)))

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        advice = f". Instead: {self.instead}" if self.instead else ""
        return f"{place}{self.what}: {self.why}{advice}"


def _shown(text: str) -> str:
    """Return `text` on one line, with everything unprintable (bidirectional marks too) as an escape."""
    short = text if len(text) <= _LONGEST else text[: _LONGEST - len(_CUT)] + _CUT
    escaped = "".join(char if char.isprintable() else repr(char)[1:-1] for char in short)
    return escaped if len(escaped) <= _LONGEST else escaped[: _LONGEST - len(_CUT)] + _CUT
