"""Source text: highlighted, and side by side with what it was made from."""

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

from markupsafe import Markup, escape
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, String, Token

from labkit.jail.wire import printable
from labkit.view.fragment import LONGEST, MONOSPACE, Fragment, note, text

CONTEXT = 3
"""Unchanged lines shown around a change; more of them are folded."""

MAX_LINES = 4000
"""Lines of a source that are shown; the policy's limit on length is far below, refused sources are not."""

TOKEN_COLOURS = {
    Keyword: "#b04fc4",
    Name.Function: "#3b78d8",
    Name.Class: "#3b78d8",
    Name.Decorator: "#3b78d8",
    String: "#2f8a4c",
    Comment: "#7a7f87",
}
"""Each readable on white and on black; names, numbers and operators keep the page's own colour."""

_ADDED, _REMOVED = ";background-color:rgba(46,160,67,0.18)", ";background-color:rgba(248,81,73,0.18)"
_NUMBER = "opacity:0.6;text-align:right;padding:0 6px;vertical-align:top"
_CODE = "text-align:left;white-space:pre-wrap;padding:0 4px;vertical-align:top"
_TABLE = f"width:100%;table-layout:fixed;border-collapse:collapse;margin:0;overflow-wrap:anywhere;{MONOSPACE}"
_COLUMNS = Markup('<col width="46"><col>')

_Cell = tuple[int, Markup, str]
"""Line number from 1, its highlighted text, its style; number 0 for a line that the other side lacks."""
_MISSING: _Cell = (0, Markup(""), "")


@dataclass(frozen=True)
class Change:
    """How many lines a source gained and lost."""

    added: int
    removed: int

    def __str__(self) -> str:
        return f"+{self.added} −{self.removed} lines"


def show_code(source: str, title: str = "code") -> Fragment:
    """Return a source with line numbers, folded under its title."""
    rows = [(_cell(index, line),) for index, line in enumerate(_highlighted(_lines(source)))]
    summary = Markup("<summary>{} ({} lines)</summary>").format(text(title), len(rows))
    return Fragment(Markup("<details>{}{}</details>").format(summary, _table(rows)), title)


def show_diff(old: str, new: str, old_title: str, new_title: str, whole: bool = True) -> Fragment:
    """Return two sources side by side; runs of unchanged lines are folded.

    Args:
        whole: carry the folded lines too; False leaves them out, which keeps a long report small.
    """
    old_lines, new_lines = _lines(old), _lines(new)
    matcher = SequenceMatcher(None, old_lines, new_lines, autojunk=False)
    left, right = _highlighted(old_lines), _highlighted(new_lines)
    titles = ((0, text(old_title), ";font-weight:bold"), (0, text(new_title), ";font-weight:bold"))
    parts = [_table([titles])]
    for tag, a1, a2, b1, b2 in _runs(matcher):
        if tag == "fold":
            parts.append(_fold(left[a1:a2], right[b1:b2], a1, b1, whole))
        else:
            parts.append(_table(list(_pairs(left, right, (a1, a2), (b1, b2), tag != "equal"))))
    if old_lines == new_lines:
        parts = [note(f"{new_title} is {old_title}, line by line")]
    return Fragment(Markup("<div>{}</div>").format(Markup("").join(parts)), f"{old_title} and {new_title}")


def count_changes(old: str, new: str) -> Change:
    """Return how many lines were added and removed."""
    blocks = SequenceMatcher(None, a := _lines(old), b := _lines(new), autojunk=False).get_matching_blocks()
    common = sum(block.size for block in blocks)
    return Change(len(b) - common, len(a) - common)


def _lines(source: str) -> tuple[str, ...]:
    """Return the lines of a source, with everything that a browser would act on or hide shown as an escape."""
    lines = printable(source.replace("\r\n", "\n").replace("\r", "\n"), LONGEST).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if len(lines) > MAX_LINES:
        return (*lines[:MAX_LINES], f"... ({len(lines) - MAX_LINES} more lines)")
    return tuple(lines)


def _highlighted(lines: tuple[str, ...]) -> list[Markup]:
    """Return each line with coloured tokens."""
    return [line for statement in _statements(lines) for line in _highlighted_statement(statement)]


def _statements(lines: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the lines by top-level statement, or in one piece where the text is no Python."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about escapes; it is only shown here
            tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [lines]
    starts = {node.lineno - 1 for node in tree.body if not getattr(node, "decorator_list", ())}
    ends = sorted(starts | {0, len(lines)})
    return [lines[begin:end] for begin, end in pairwise(ends)]


@lru_cache(maxsize=4096)  # a champion and its challengers have most statements in common
def _highlighted_statement(lines: tuple[str, ...]) -> list[Markup]:
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    shown, current, spaces = [], Markup(""), ""
    for kind, value in lexer.get_tokens("\n".join(lines)):
        for index, piece in enumerate(value.split("\n")):
            if index:
                shown.append(current)
                current, spaces = Markup(""), ""
            if piece.strip():
                current += _token(kind, spaces + piece)
                spaces = ""
            else:
                spaces += piece  # joined to what follows: nbconvert makes one of spaces that stand alone
    return [*shown, current]


def _token(kind: Token, value: str) -> Markup:
    while kind is not None and kind not in TOKEN_COLOURS:
        kind = kind.parent
    shown = escape(value)  # what a browser would act on was made visible before
    if kind is None:
        return shown
    return Markup(f'<span style="color:{TOKEN_COLOURS[kind]}">') + shown + Markup("</span>")


def _runs(matcher: SequenceMatcher[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield the opcodes, long equal runs cut into context and a "fold"."""
    opcodes = matcher.get_opcodes()
    for position, (tag, a1, a2, b1, b2) in enumerate(opcodes):
        before = 0 if position == 0 else CONTEXT
        after = 0 if position == len(opcodes) - 1 else CONTEXT
        if tag != "equal" or a2 - a1 <= before + after + 1:
            yield tag, a1, a2, b1, b2
            continue
        if before:
            yield tag, a1, a1 + before, b1, b1 + before
        yield "fold", a1 + before, a2 - after, b1 + before, b2 - after
        if after:
            yield tag, a2 - after, a2, b2 - after, b2


def _pairs(
    left: Sequence[Markup], right: Sequence[Markup], a: tuple[int, int], b: tuple[int, int], changed: bool
) -> Iterator[tuple[_Cell, _Cell]]:
    """Yield the lines of one run side by side; the shorter side ends in empty cells."""
    removed, added = (_REMOVED, _ADDED) if changed else ("", "")
    for offset in range(max(a[1] - a[0], b[1] - b[0])):
        i, j = a[0] + offset, b[0] + offset
        yield (
            _cell(i, left[i], removed) if i < a[1] else _MISSING,
            _cell(j, right[j], added) if j < b[1] else _MISSING,
        )


def _cell(index: int, line: Markup, style: str = "") -> _Cell:
    return index + 1, line, style


def _fold(left: Sequence[Markup], right: Sequence[Markup], a1: int, b1: int, whole: bool) -> Markup:
    summary = f"{len(left)} unchanged lines"
    if not whole:
        return note(f"… {summary}")
    rows = [(_cell(a1 + i, left[i]), _cell(b1 + i, right[i])) for i in range(len(left))]
    return Markup('<details><summary style="opacity:0.75">{}</summary>{}</details>').format(summary, _table(rows))


def _table(rows: Sequence[Sequence[_Cell]]) -> Markup:
    if not rows:
        return Markup("")
    pattern = Markup('<td style="{}">{}</td><td style="{}">{}</td>')
    body = Markup("").join(
        Markup('<tr style="background-color:transparent">{}</tr>').format(
            Markup("").join(pattern.format(_NUMBER, number or "", _CODE + style, line) for number, line, style in row)
        )
        for row in rows
    )
    columns = _COLUMNS * len(rows[0])
    return Markup('<table style="{}"><colgroup>{}</colgroup><tbody>{}</tbody></table>').format(_TABLE, columns, body)
