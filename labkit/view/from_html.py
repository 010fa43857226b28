"""Pieces of the HTML report as Markdown: tables, lists, paragraphs, folded parts, code; nothing in a text acts."""

import re
from html.parser import HTMLParser

from markupsafe import Markup

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~$&@!^]")
"""What Markdown, its tables, its mathematics or a mention would act on."""


def escaped(words: str) -> str:
    """Return text as Markdown that shows it as it is, in one line; nothing in it acts."""
    line = " ".join(words.split())
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", line)


def _at_start(line: str) -> str:
    """Return a line whose beginning makes no list and no heading of it."""
    line = re.sub(r"^([-+=:])", lambda match: f"&#{ord(match[1])};", line)
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", line)


def to_markdown(html: object) -> str:
    """Return a piece of the report (tables, lists, paragraphs, folded parts, code) as Markdown."""
    reader = _Reader()
    reader.feed(str(Markup(html) if isinstance(html, str) else Markup(getattr(html, "html", html))))
    reader.close()
    return reader.markdown()


class _Reader(HTMLParser):
    """Turns the few elements that labkit's fragments are made of into blocks of Markdown.

    Words gather in the innermost of `_open`; an element that ends puts them where they belong.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._blocks: list[str] = []
        self._words: list[str] = [""]
        self._rows: list[list[str]] = []
        self._items: list[str] = []
        self._pre = False

    def markdown(self) -> str:
        """Return the blocks, a blank line between two."""
        self._flush()
        return "\n\n".join(block for block in self._blocks if block.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin what an element stands for."""
        if tag in ("td", "th", "li", "summary"):
            self._words.append("")
        elif tag == "b":
            self._add("**")
        elif tag == "br":
            self._add(" ")
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("p", "div", "table", "ul", "details", "pre") and len(self._words) == 1:
            self._flush()
            self._pre = tag == "pre"
            if tag == "table":
                self._rows = []
            if tag == "details":
                self._blocks.append("<details>")

    def handle_endtag(self, tag: str) -> None:
        """End it: its words go into a cell, an item or a block of their own."""
        if tag in ("td", "th"):
            self._rows[-1].append(self._words.pop().strip())
        elif tag == "li":
            self._items.append(self._words.pop().strip())
        elif tag == "summary":
            self._blocks[-1] += f"<summary>{self._words.pop().strip()}</summary>"
        elif tag == "b":
            self._add("**")
        elif tag == "table":
            self._blocks.append(_table(self._rows))
        elif tag == "ul":
            self._end_list()
        elif tag == "details":
            self._flush()
            self._blocks.append("</details>")
        elif tag in ("p", "div", "pre") and len(self._words) == 1:
            self._flush()

    def handle_data(self, data: str) -> None:
        """Take words in."""
        if self._pre and len(self._words) == 1:
            self._words[-1] += data
        elif data.strip():
            left, right = " " * data[0].isspace(), " " * data[-1].isspace()
            self._add(f"{left}{escaped(data)}{right}")
        elif data:
            self._add(" ")

    def _add(self, words: str) -> None:
        self._words[-1] += words

    def _end_list(self) -> None:
        if len(self._words) > 1:  # within a cell: a table's row is one line
            self._add("<br>".join(self._items))
        elif self._items:
            self._blocks.append("\n".join(f"- {_at_start(item)}" for item in self._items))
        self._items = []

    def _flush(self) -> None:
        words, self._words[0] = self._words[0], ""
        if words.strip():
            self._blocks.append(fenced(words) if self._pre else _at_start(words.strip()))
        self._pre = False


def _table(rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = [f"| {' | '.join(cell or ' ' for cell in row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def fenced(words: str) -> str:
    """Return text as a block of code; the fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", words)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{words.strip(chr(10))}\n{fence}"
