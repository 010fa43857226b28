"""Keeps held-out clips out of what a proposer may see: their names, their hashes, their numbers."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from labkit.candidate import Failure
from labkit.rd import Comparison

_T = TypeVar("_T")

HIDDEN = "(not shown: it speaks of held-out clips)"
MASK = "held_out_clip"

_HASH = re.compile(r"[0-9a-f]{16,}")
_HASH_SHOWN = 8
"""Reports show a hash by its first characters: so many are enough to know it by."""
_TOLD = re.compile(r"\bheld[\s_-]?out\b", re.IGNORECASE)


@dataclass(frozen=True)
class Veil:
    """What may be shown of texts and tables.

    Attributes:
        shown: names of the development clips; tables keep these and nothing else.
        hidden: names and hashes of held-out clips; texts are searched for them.
    """

    shown: tuple[str, ...]
    hidden: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if both := set(self.shown) & set(self.hidden):
            raise ValueError(f"{min(both)!r} is a development clip and held out at once; it can be one only")

    def prose(self, text: str) -> str:
        """Return a text that may tell results, or HIDDEN: the figures beside a clip's name belong to the clip."""
        return HIDDEN if _TOLD.search(text) or self._finds(text) else text

    def masked(self, text: str) -> str:
        """Return a text whose writer has seen no held-out clip, a program for one, with their names replaced."""
        for found in reversed(self._finds(text)):
            text = text[: found.start()] + MASK + text[found.end() :]
        return text

    def table(self, by_clip: Mapping[str, _T]) -> dict[str, _T]:
        """Return the rows of the development clips, in their order."""
        return {clip: by_clip[clip] for clip in self.shown if clip in by_clip}

    def comparisons(self, by_clip: Iterable[Comparison]) -> tuple[Comparison, ...]:
        """Return the comparisons on development clips."""
        return tuple(replace(c, reason=self.prose(c.reason)) for c in by_clip if c.clip in self.shown)

    def failure(self, failure: Failure) -> Failure:
        """Return a failure; of one on a held-out clip nothing but its stage and kind."""
        if failure.clip and failure.clip not in self.shown:
            return Failure(failure.stage, failure.kind, HIDDEN)
        return replace(failure, detail=self.prose(failure.detail), output=self.prose(failure.output))

    def _finds(self, text: str) -> list[re.Match[str]]:
        """Return where a text names a held-out clip, but not inside a development clip's longer name."""
        shown, hidden = self._patterns
        theirs = list(hidden.finditer(text))
        ours = [found.span() for found in shown.finditer(text)] if theirs else []
        return [
            found for found in theirs if not any(start <= found.start() and found.end() <= end for start, end in ours)
        ]

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """One pattern for the names shown, one for names and hashes hidden."""
        return _any_of(map(_name, self.shown)), _any_of(
            f"{word[:_HASH_SHOWN]}[0-9a-f]*" if _HASH.fullmatch(word) else _name(word) for word in self.hidden
        )


def _name(word: str) -> str:
    # "car" stands in "car_QP32.npz" and not in "cart"; a line break may stand for its space
    spelt = r"\s+".join(map(re.escape, word.split()))
    return rf"(?<![^\W_]){spelt}(?![^\W_])" if spelt else ""


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(filter(None, patterns), key=len, reverse=True)
    return re.compile("|".join(longest_first) if longest_first else r"(?!)", re.IGNORECASE)
