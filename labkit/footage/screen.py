"""A computer's screen: text that scrolls, text that is typed, a pointer; flat colours and sharp edges."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray

RGB = NDArray[np.uint8]
Colour = tuple[int, int, int]

_DESKTOP, _PAPER, _GUTTER, _BAR, _EDGE = (
    (58, 90, 122),
    (252, 252, 250),
    (236, 238, 240),
    (208, 212, 218),
    (120, 124, 130),
)
_NIGHT, _GREEN, _GREY = (30, 32, 38), (152, 220, 140), (150, 152, 158)
_INKS = ((28, 28, 32), (0, 72, 180), (160, 40, 110), (20, 120, 60), (150, 90, 0))
_TEXT = (
    "def return for in if else while block frame motion vector residual predict search quantise zigzag encode decode "
    "range qp = + - * ( ) [i] [j] : 16 32 0.5 len(rows) luma chroma step cost best bits entropy # true"
)
_WORDS = _TEXT.split()
_FONT_PX, _LINE_PX, _CELL_PX = 9, 12, 6
_SCROLL_PX = (0, 0, 1, 3, 5, 6, 5, 3, 1, 0, 0, 0)
"""How far the text moves in each frame of one turn of a mouse wheel."""


def screen(width: int, height: int, frames: int, seed: int) -> Iterator[RGB]:
    """Give the pictures of a screen with an editor that scrolls and a terminal that is typed into."""
    random = np.random.default_rng(seed)
    page = _page(width, height * 2 + _LINE_PX * 20, random)
    typed = [_WORDS[index] for index in random.integers(0, len(_WORDS), 400)]
    pointer = random.integers(0, 100, 2) * (width, height) // 200 + (width // 4, height // 4)
    scrolled = 0
    for time in range(frames):
        scrolled += _SCROLL_PX[time % len(_SCROLL_PX)]
        picture = np.full((height, width, 3), _DESKTOP, np.uint8)
        _editor(picture, page, scrolled)
        _terminal(picture, " ".join(typed)[: 30 + time * 3 // 2], blink=time % 10 < 6)
        _pointer(picture, int(pointer[0]) + time * 2, int(pointer[1]) + time)
        yield picture


def _page(width: int, height: int, random: np.random.Generator) -> RGB:
    """Return a long page of coloured words behind a gutter of line numbers."""
    page = np.full((height // _LINE_PX * _LINE_PX, width, 3), _PAPER, np.uint8)
    page[:, : 4 * _CELL_PX] = _GUTTER
    for line in range(len(page) // _LINE_PX):
        top, column = line * _LINE_PX, 5 + 2 * int(random.integers(0, 4))
        _write(page, f"{line + 1:3d}", 2, top, _GREY)
        for word in random.integers(0, len(_WORDS), int(random.integers(0, 9))):
            _write(page, _WORDS[word], column * _CELL_PX, top, _INKS[int(word) % len(_INKS)])
            column += len(_WORDS[word]) + 1
    return page


def _window(picture: RGB, left: int, top: int, title: str) -> RGB:
    """Draw a window that reaches to the right and lower edge less a margin; return its inside."""
    window = picture[top:, left:]
    window[:] = _EDGE
    window[1:-1, 1:-1] = _BAR
    _write(window, title, 6, 2, _INKS[0])
    return window[_LINE_PX + 3 : -1, 1:-1]


def _editor(picture: RGB, page: RGB, scrolled: int) -> None:
    """Show a part of the page in a window; it starts anew when its end is reached."""
    height, width = picture.shape[:2]
    inside = _window(picture[: height * 15 // 16, : width * 15 // 16], width // 16, height // 16, "search.py")
    rows = (np.arange(len(inside)) + scrolled) % len(page)
    inside[:] = page[rows, : inside.shape[1]]


def _terminal(picture: RGB, text: str, blink: bool) -> None:
    """Show a dark window with wrapped text and a block for a cursor."""
    height, width = picture.shape[:2]
    inside = _window(picture, width * 9 // 16, height * 9 // 16, "terminal")
    inside[:] = _NIGHT
    columns = max(1, (inside.shape[1] - 4) // _CELL_PX)
    lines = ["$ " + text[: columns - 2]] + [text[at : at + columns] for at in range(columns - 2, len(text), columns)]
    lines = lines[-max(1, len(inside) // _LINE_PX) :]
    for index, line in enumerate(lines):
        _write(inside, line, 2, index * _LINE_PX, _GREEN)
    if blink:
        top, left = (len(lines) - 1) * _LINE_PX + 2, 2 + len(lines[-1]) * _CELL_PX
        inside[top : top + _FONT_PX, left : left + _CELL_PX] = _GREEN


def _pointer(picture: RGB, left: int, top: int) -> None:
    """Draw a mouse pointer: a white arrow with a black edge."""
    for row in range(16):
        length = row if row < 12 else 4
        line = picture[(top + row) % len(picture)]
        line[left % picture.shape[1] : left % picture.shape[1] + length + 1] = 0
        line[left % picture.shape[1] + 1 : left % picture.shape[1] + length] = 255


def _write(picture: RGB, text: str, left: int, top: int, colour: Colour) -> None:
    """Blend one line of text into the picture, each character in its own cell, cut at the edges."""
    for index, character in enumerate(text):
        _stamp(picture, _glyph(character), left + index * _CELL_PX, top, colour)


def _stamp(picture: RGB, glyph: NDArray[np.int32], left: int, top: int, colour: Sequence[int]) -> None:
    part = picture[top : top + _LINE_PX, left : left + _CELL_PX]
    share = glyph[: part.shape[0], : part.shape[1], None]
    part[:] = (np.array(colour) * share + part * (255 - share) + 127) // 255


@cache
def _glyph(character: str) -> NDArray[np.int32]:
    """Return one character of DejaVu Sans Mono, 0-255, int32 (_LINE_PX, _CELL_PX), by matplotlib's FreeType."""
    cell = np.zeros((_LINE_PX, _CELL_PX), np.int32)
    if character == " ":
        return cell
    font = FT2Font(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"))
    font.set_size(_FONT_PX, 72)
    font.set_text(character)
    font.draw_glyphs_to_bitmap(antialiased=True)
    x_min, _, _, y_max = font.load_char(ord(character)).bbox
    image = np.asarray(font.get_image())[:_LINE_PX, :_CELL_PX]
    left, top = max(0, x_min // 64), max(0, _FONT_PX - y_max // 64)
    part = cell[top : top + image.shape[0], left : left + image.shape[1]]
    part[:] = image[: part.shape[0], : part.shape[1]]
    return cell
