"""Whether an idea is an earlier one in other words: texts are compared as sets of weighted terms.

Terms are word stems, and concepts: the ways in which the field calls one thing ("quarter-sample", "sub-pel"). A concept
says what an idea is about and weighs most; what nearly every hypothesis says weighs least. The title says what is
changed, the rest how: both are compared, the title for itself and all of it. However alike two ideas sound, they are
two if they set other numbers, if one raises what the other lowers, or if one is about chroma and the other about luma.
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

THRESHOLD = 0.45
"""Of 1. It rather lets a repeat pass than turns down a new idea: the one costs an evaluation, the other the idea."""

_WEIGHTS = {"techniques": 3.0, "subjects": 1.5, "size": 2.0, "word": 1.0, "filler": 0.25}

_LISTS = tomllib.loads(Path(__file__).with_name("concepts.toml").read_text(encoding="utf-8"))
_FILLERS, _SILENT = set(_LISTS["filler"].split()), set(_LISTS["silent"].split())
_VALUES = {word: str(value) for value, word in enumerate(_LISTS["numbers"].split(), start=3)}
_OPPOSITES = [(set(one.split()), set(other.split())) for one, other in _LISTS["opposites"]]
_CONCEPTS = [
    (name, re.compile(rf"(?<!\w)(?:{pattern.replace(' ', '[ -]+')})(?!\w)"), _WEIGHTS[kind])
    for kind in ("techniques", "subjects")
    for name, pattern in _LISTS[kind].items()
]

_WORD = re.compile(r"[^\W\d_]{2,}")
_SIZE = re.compile(r"(?<!\d)(\d{1,4}) ?[x×] ?(\d{1,4})(?!\d)")
_VALUE = r"(?<![\w.#])-?\d{1,9}(?:x\d{1,4}|\.\d{1,9})?(?![\w.]*\s?%)"
_SET = re.compile(rf"(?:\b(?:from|to|than|of|is)\s|=\s?){_VALUE}|{_VALUE}(?= instead of| rather)")
_DASH = re.compile("[\u2010-\u2015\u2212]")
_SUFFIX = re.compile(r"(?:i[sz]ations?|i[sz]\w{0,3}|ations?|ingly|ings?|edly|ers?|ies|ed|es|ly|s|e|y)$")
_MOST_CHARS = 2000  # of a text that are compared


def repeats(idea: str, tried: Mapping[int, str]) -> int | None:
    """Return the number of the tried idea that `idea` repeats, of several the most alike; None if it repeats none."""
    likeness = {number: alike(idea, text) for number, text in tried.items()}
    nearest = max(likeness, key=lambda number: (likeness[number], number), default=None)
    return nearest if nearest is not None and likeness[nearest] >= THRESHOLD else None


def alike(one: str, other: str) -> float:
    """Return how alike two ideas are: 0 for nothing in common or a plain difference, 1 for the same terms."""
    first, second = _read(one), _read(other)
    if first.differs_from(second):
        return 0.0
    apart = 0.7 ** (first.lacks(second) + second.lacks(first))
    return apart * (_common(first.title, second.title) + _common(first.terms, second.terms)) / 2


@dataclass(frozen=True)
class _Idea:
    """A text as it is compared; its numbers are those of its title, and those that the rest sets ("from 14 to 10")."""

    title: Mapping[str, float]
    terms: Mapping[str, float]
    words: frozenset[str]
    numbers: frozenset[str]

    def lacks(self, other: "_Idea") -> int:
        """Return how many techniques the other's title names that this text does not."""
        techniques = {term for term, weight in other.title.items() if weight == _WEIGHTS["techniques"]}
        return len(techniques - self.terms.keys())

    def differs_from(self, other: "_Idea") -> bool:
        """Return whether the two say what excludes each other: other numbers, techniques, opposite words."""
        if (self.numbers - other.numbers and other.numbers - self.numbers) or (self.lacks(other) and other.lacks(self)):
            return True
        sides = [[bool(idea.words & a) - bool(idea.words & b) for idea in (self, other)] for a, b in _OPPOSITES]
        return any(ours * theirs < 0 for ours, theirs in sides)


@lru_cache(maxsize=4096)
def _read(text: str) -> _Idea:
    plain = " ".join(_DASH.sub("-", unicodedata.normalize("NFKC", text[:_MOST_CHARS])).replace("_", " ").split())
    plain = _SIZE.sub(r"\1x\2", plain.casefold())
    title = re.split(r"(?<=[\w)])\. ", plain, maxsplit=1)[0]
    words = frozenset(_WORD.findall(title))
    told = [title, *_SET.findall(plain), *(value for word, value in _VALUES.items() if word in words)]
    return _Idea(_terms(title), _terms(plain), words, frozenset(re.findall(_VALUE, " ".join(told))))


def _terms(text: str) -> dict[str, float]:
    """Return the terms of a text with their weights; a concept's words count as the concept only."""
    terms: dict[str, float] = {}
    for name, pattern, weight in _CONCEPTS:
        text, count = pattern.subn(" ", text)
        if count:
            terms[f"<{name}>"] = weight
    terms |= dict.fromkeys((size[0] for size in _SIZE.finditer(text)), _WEIGHTS["size"])
    for word in set(_WORD.findall(text)) - _SILENT:
        stem = _SUFFIX.sub("", word) if len(word) > 3 else word
        terms[stem] = _WEIGHTS["filler" if stem in _FILLERS else "word"]
    return terms


def _common(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the share of the terms' weight that both have (Dice)."""
    total = sum(one.values()) + sum(other.values())
    return 2 * sum(one[term] for term in one.keys() & other.keys()) / total if total else 0.0
