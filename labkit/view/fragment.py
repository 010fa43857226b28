"""Pieces of HTML that escape by construction and keep their looks in a notebook opened untrusted.

Such a notebook drops <style>, SVG and scripts: everything here is styled inline, with colours that can be
read on a white and on a black page. Text enters through `text`, which shows control characters instead of
sending them, and leaves escaped.
"""

import base64
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from labkit.jail.wire import printable

LONGEST = 200_000
"""Characters of one text that are shown; a hostile source may be as long as it likes."""

MONOSPACE = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px;line-height:1.4"
LINE = "1px solid rgba(127,127,127,0.35)"
CHIPS = {"adopted": "#1a7f37", "rejected": "#8a5a00", "failed": "#b62324"}
"""Background by outcome, under white letters: the word says it, the colour helps to find it."""
_OTHER_CHIP = "#57606a"


@dataclass(frozen=True)
class Fragment:
    """Something that shows itself as HTML in a notebook and in the report."""

    html: Markup
    title: str

    def _repr_html_(self) -> str:
        # Jupyter typesets what stands between $ and $, or behind a backslash: an element of its own ends that
        return re.sub(r"(<[^>]*>)|([$\\])", lambda m: m[1] or f"<span>{m[2]}</span>", self.html)

    def __html__(self) -> Markup:
        return self.html

    def __repr__(self) -> str:
        return f"<{printable(self.title)}>"


def text(value: object) -> Markup:
    """Return a value as escaped text; control and direction characters are shown as escapes."""
    return value if isinstance(value, Markup) else escape(printable(str(value), LONGEST))


def block(value: str) -> Markup:
    """Return text of several lines as it stands: a failure's detail, what a candidate printed."""
    style = f"{MONOSPACE};white-space:pre-wrap;overflow-wrap:anywhere;background:rgba(127,127,127,0.12);"
    return Markup('<pre style="{}padding:8px;margin:4px 0;text-align:left">{}</pre>').format(Markup(style), text(value))


def chip(outcome: str) -> Markup:
    """Return an outcome (adopted, rejected, failed, ...) as a small label."""
    style = "color:#ffffff;border-radius:4px;padding:1px 7px;white-space:nowrap;background-color:"
    return Markup('<span style="{}{}">{}</span>').format(Markup(style), CHIPS.get(outcome, _OTHER_CHIP), text(outcome))


def note(value: str) -> Markup:
    """Return one line that says what is missing or how to read what stands beside it."""
    return Markup('<p style="opacity:0.75;margin:4px 0;text-align:left">{}</p>').format(text(value))


def bullets(values: Iterable[object]) -> Markup:
    """Return a list of texts; nothing for none."""
    items = Markup("").join(Markup("<li>{}</li>").format(text(value)) for value in values)
    return Markup('<ul style="margin:2px 0;padding-left:18px">{}</ul>').format(items) if items else items


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    numbers: Collection[str] = (),
    prose: Collection[str] = (),
) -> Markup:
    """Return a table with a line under each row.

    Args:
        rows: one cell for each column; what is not Markup is escaped.
        numbers: names of the columns that are set to the right and never wrapped.
        prose: names of the columns of long text, which share the width that is left.
    """
    styles = [_cell_style(name in numbers, len(prose) if name in prose else 0) for name in columns]
    head = _row("th", columns, styles)
    body = Markup("").join(_row("td", row, styles) for row in rows)
    style = "border-collapse:collapse;font-size:13px;line-height:1.35;margin:6px 0;text-align:left"
    return Markup('<table style="{}"><thead>{}</thead><tbody>{}</tbody></table>').format(style, head, body)


def _row(tag: str, cells: Sequence[object], styles: Sequence[str]) -> Markup:
    cell = Markup('<{0} style="{1}">{2}</{0}>')
    return Markup('<tr style="background-color:transparent">{}</tr>').format(
        Markup("").join(cell.format(tag, s, text(c)) for c, s in zip(cells, styles, strict=True))
    )


def _cell_style(number: bool, sharers: int) -> str:
    common = f"border-bottom:{LINE};padding:4px 8px;vertical-align:top;"
    if number:
        return common + "text-align:right;white-space:nowrap"
    return common + "text-align:left" + (f";overflow-wrap:anywhere;width:{80 // sharers}%" if sharers else "")


def image(png: bytes, description: str, width: int) -> Markup:
    """Return a picture that carries its own bytes.

    Args:
        width: in CSS pixels; a narrower page shows it smaller.
    """
    pattern = Markup('<img src="{}" alt="{}" width="{}" style="max-width:100%;height:auto">')
    return pattern.format(data_uri(png), text(description), width)


def data_uri(png: bytes) -> Markup:
    """Return the address of a picture that holds the picture itself."""
    return Markup("data:image/png;base64,") + Markup(base64.b64encode(png).decode("ascii"))


def percent(value: float | None) -> str:
    """Return a change in percent, or a dash where there is no number."""
    return "–" if value is None else f"{value:+.1f} %"
