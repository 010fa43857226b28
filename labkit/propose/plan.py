"""What a model answers: a plan with hypotheses, and code between two tags; or why an answer cannot be used.

An answer that cannot be used is data (`Unusable`), as a candidate's failure is: its reason is told to the model.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from textwrap import dedent
from typing import Any

from labkit.propose.ideas import repeats

__all__ = ["PLAN_SCHEMA", "Hypothesis", "Plan", "Unusable", "read_code", "read_plan", "repeats"]

MOST_CHARS = 2_000_000
"""No honest answer is longer: 128 K tokens are half a million characters."""

MOST_TEXT = 4000
"""Characters of one text of a plan that are kept."""

_TEXT = {"type": "string"}
_HYPOTHESIS = {
    "title": _TEXT | {"description": "at most twelve words, naming the technique and where it acts"},
    "bottleneck": _TEXT | {"description": "what of the bits or of the error it goes for"},
    "change": _TEXT | {"description": "what changes in encoder and decoder, concretely enough to be coded from"},
    "expected_bd_rate_pct": {"type": "number", "description": "mean against the champion; negative is better"},
    "risk": _TEXT | {"description": "what may make it fail, and how one would see it"},
    "differs_from": {
        "type": "array",
        "items": {"type": "integer"},
        "description": "numbers of earlier experiments that come near",
    },
}
_PLAN = {
    "analysis": _TEXT | {"description": "what the figures say, three to six sentences"},
    "bottleneck": _TEXT | {"description": "the one component or decision that costs most now"},
    "hypotheses": {
        "type": "array",
        "description": "two or three, of different kinds, the best first",
        "items": {
            "type": "object",
            "properties": _HYPOTHESIS,
            "required": list(_HYPOTHESIS),
            "additionalProperties": False,
        },
    },
}
PLAN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": _PLAN,
    "required": list(_PLAN),
    "additionalProperties": False,
}
"""JSON schema of a plan, in the subset that structured output knows; the page role.md says the same in words."""


@dataclass(frozen=True)
class Hypothesis:
    """One idea with what it should bring.

    Attributes:
        bottleneck: what of the bits or of the error it goes for.
        change: what changes in encoder and decoder.
        expected_bd_rate_pct: against the champion; negative is better.
        differs_from: numbers of the experiments that come near.
    """

    title: str
    bottleneck: str
    change: str
    expected_bd_rate_pct: float
    risk: str
    differs_from: tuple[int, ...]

    @property
    def text(self) -> str:
        """The idea in a few sentences: a candidate's hypothesis, and what `repeats` compares."""
        return f"{self.title.rstrip('.')}. {self.change}"


@dataclass(frozen=True)
class Plan:
    """What a model means to do, the best hypothesis first.

    Attributes:
        dropped: why further hypotheses of the answer could not be used.
    """

    analysis: str
    bottleneck: str
    hypotheses: tuple[Hypothesis, ...]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unusable:
    """An answer that cannot be used, and why, in words for the model that gave it."""

    reason: str


# --- the plan ----------------------------------------------------------------------------------------------


def read_plan(text: str) -> Plan | Unusable:
    """Return the plan in an answer, with or without prose and fences around its JSON.

    Of several plans in one answer the last counts: what came before was thinking aloud.
    """
    answer = _answer(text)
    if isinstance(answer, Unusable):
        return answer
    last: Plan | Unusable = Unusable(_no_json(answer))
    for value in _values(answer):
        if (found := _hypotheses(value)) is not None:
            last = _plan(*found)
    return last


def _answer(text: str) -> str | Unusable:
    """Return what an answer says after its thinking aloud, which some servers leave in the text."""
    if len(text) > MOST_CHARS:
        return Unusable(f"the answer has {len(text)} characters; {MOST_CHARS} are read at most")
    plain = text.replace("\ufeff", "")  # a mark at the beginning of files, and of nothing that is typed
    rest = re.sub(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", "", plain, flags=re.DOTALL)
    if re.match(r"\s*<think(?:ing)?>", rest):
        return Unusable("the answer ends while still thinking: answer with less thinking")
    if not rest.strip():
        return Unusable("the answer is empty")
    return rest.replace("\r\n", "\n").replace("\r", "\n")


def _values(text: str) -> Iterator[Any]:
    """Yield the outermost JSON objects and lists of a text."""
    decoder, place, tries = json.JSONDecoder(), 0, 0
    while (found := re.compile(r"[{\[]").search(text, place)) and tries < 100:  # hostile: {{{{{
        tries += 1
        try:
            value, place = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):  # ValueError: also a number of more than 4,300 digits
            place = found.start() + 1
            continue
        yield value


def _hypotheses(value: Any) -> tuple[dict[str, Any], list[Any]] | None:
    """Return the object that holds hypotheses, and these: a bare list and one wrapper are as good; else None."""
    if isinstance(value, list) and value and all(isinstance(item, dict) and "title" in item for item in value):
        return {}, value
    for outer in (value, *value.values()) if isinstance(value, dict) else ():
        if isinstance(outer, dict) and isinstance(found := outer.get("hypotheses"), list):
            return outer, found
    return None


def _plan(outer: dict[str, Any], items: list[Any]) -> Plan | Unusable:
    read = [_hypothesis(number, item) for number, item in enumerate(items[:10], start=1)]
    usable = tuple(item for item in read if isinstance(item, Hypothesis))
    dropped = tuple(item.reason for item in read if isinstance(item, Unusable))
    if not usable:
        return Unusable("; ".join(dropped) or "the plan has no hypothesis; give two or three")
    return Plan(_words(outer.get("analysis")), _words(outer.get("bottleneck")), usable, dropped)


def _hypothesis(number: int, item: Any) -> Hypothesis | Unusable:
    if not isinstance(item, dict):
        return Unusable(f"hypothesis {number} is no object with a title and a change")
    title, change = _words(item.get("title")), _words(item.get("change"))
    for name, value in (("title", title), ("change", change)):
        if not value:
            return Unusable(f"hypothesis {number} has no {name}: it must be a text")
    expected = _number(item.get("expected_bd_rate_pct"))
    if expected is None:
        return Unusable(f"hypothesis {number} has no expected_bd_rate_pct: it must be a number such as -4.5")
    near = item.get("differs_from")
    numbers = tuple(n for n in near if type(n) is int) if isinstance(near, list) else ()
    return Hypothesis(title, _words(item.get("bottleneck")), change, expected, _words(item.get("risk")), numbers)


def _words(value: Any) -> str:
    return value.strip()[:MOST_TEXT] if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    """Return a number, also one in words such as "-4 to -6 %" (the first); None if there is none."""
    if isinstance(value, str) and (found := re.search(r"[-+\u2212]?\d{1,6}(?:\.\d{1,6})?", value)):
        value = float(found[0].replace("\u2212", "-"))
    if type(value) not in (int, float) or not isfinite(value) or abs(value) > 1e6:
        return None
    return float(value)


def _no_json(answer: str) -> str:
    if "hypotheses" in answer and answer.count("{") > answer.count("}"):
        return "the JSON of the plan is cut: give the whole object, and make it shorter"
    return 'the answer holds no plan: give one JSON object with "analysis", "bottleneck" and "hypotheses"'


# --- the code ----------------------------------------------------------------------------------------------

_OPENING = re.compile(r"^[ \t]*<codec>[ \t]*$", re.MULTILINE | re.IGNORECASE)
_CLOSING = re.compile(r"^[ \t]*</codec>[ \t]*$", re.MULTILINE | re.IGNORECASE)
_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<word>[\w+-]*)[^\n`]*$", re.MULTILINE)
_PYTHON = ("", "python", "py", "python3")


def read_code(text: str) -> str | Unusable:
    """Return the program of an answer: what stands between <codec> tags, or in its one fence of Python.

    A cut program is never returned: an opened block has to be closed.
    """
    answer = _answer(text)
    if isinstance(answer, Unusable):
        return answer
    opened, closed = list(_OPENING.finditer(answer)), list(_CLOSING.finditer(answer))
    if len(opened) == len(closed) == 1 and opened[0].end() < closed[0].start():
        return _program(answer[opened[0].end() + 1 : closed[0].start()])
    if opened or closed:
        return Unusable(_why_tags(len(opened), len(closed)))
    return _fenced(answer)


def _why_tags(opened: int, closed: int) -> str:
    if opened == 1 and closed == 0:
        return "the program is cut: </codec> is missing; give the whole program, shorter if need be"
    if opened == closed == 1:
        return "</codec> stands before <codec>; give one program between them"
    return f"the answer has {opened} <codec> and {closed} </codec>; give one program between one pair of tags"


def _program(block: str) -> str | Unusable:
    """Return a block's text; a fence that is all of it, is taken off."""
    if fence := re.fullmatch(r"\s*(`{3,}|~{3,})[^\n`]*\n(.*\n)?[ \t]*\1[ \t]*\s*", block, re.DOTALL):
        block = fence[2] or ""
    if not block.strip():
        return Unusable("the block is empty; give the whole program")
    block = block.strip("\n") + "\n"
    return dedent(block) if block[0] in " \t" else block  # a list of steps indents what stands in it


def _fenced(answer: str) -> str | Unusable:
    blocks = list(_fences(answer))
    if None in blocks:
        return Unusable("the program is cut: its block is never closed; give the whole program, shorter if need be")
    programs = [block for block in blocks if block is not None and block.strip()]
    if len(programs) == 1:
        return _program(programs[0])
    if not programs:
        return Unusable("the answer holds no program: give it between <codec> and </codec>, each alone on its line")
    sizes = ", ".join(str(block.count("\n")) for block in programs)
    return Unusable(f"the answer has {len(programs)} blocks ({sizes} lines); give one whole program, in one block")


def _fences(answer: str) -> Iterator[str | None]:
    """Yield the fenced blocks that may be Python; None for one that is never closed."""
    place = 0
    while opening := _FENCE.search(answer, place):
        start = opening.end() + 1
        mark = opening["mark"]
        closing = re.compile(rf"^{opening['indent']}{mark}{mark[0]}*[ \t]*$", re.MULTILINE).search(answer, start)
        if closing is None:
            yield None
            return
        if opening["word"].lower() in _PYTHON:
            yield answer[start : closing.start()]
        place = closing.end()
