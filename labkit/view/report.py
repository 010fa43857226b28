"""The report: one HTML file that opens anywhere, offline, and starts with the answer."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from labkit.campaign import Campaign, Generation
from labkit.ledger import Entry
from labkit.view.changes import failure_blocks
from labkit.view.code import count_changes, show_code, show_diff
from labkit.view.fragment import chip, data_uri, note, percent, text
from labkit.view.frames import Picture, show_frames, to_png
from labkit.view.overview import overview
from labkit.view.page import template, write_whole
from labkit.view.plots import DPI, Chart, plot_rd, png
from labkit.view.reading import read_once
from labkit.view.standing import plot_standing
from labkit.view.tables import reasons, show_points

BUDGET_BYTES = 8_800_000
"""Of one report; what comes last may go a little beyond it, and it still stays below 10 MB."""

_WORDS_BYTES = 1_500
"""Of a candidate in its generation, without code, pictures and rate points."""

CHART_PIXELS = 860
"""Width of a chart on the page, at most."""

FRAME_PIXELS = 256
"""Width of a frame on the page, at most; notebooks show them larger."""

_NO_ROOM = "left out to keep the report small; the generation's notebook has it"


def write_report(campaign: Campaign, path: Path) -> Path:
    """Write the report to `path`, whole or not at all; return the path."""
    return write_whole(path, render_report(campaign).encode("utf-8"))


def render_report(campaign: Campaign) -> str:
    """Return the whole report as HTML that makes no request of any kind."""
    campaign = read_once(campaign)
    turns = _generations(campaign)
    entries = [entry for turn in turns for entry in turn.entries]
    told = overview(campaign, entries)
    words = sum(len(_styles_to_classes(str(getattr(part, "html", part)))) for part in told.values())
    shelf = _Shelf(spent_bytes=words + _WORDS_BYTES * len(entries))
    first = shelf.chart(plot_standing(campaign), "bits at equal PSNR by generation: versions and real encoders")
    curves = shelf.chart(plot_rd(campaign), "rate against PSNR of the champion, version 0 and real encoders")
    sections = [_section(campaign, turn, shelf) for turn in reversed(turns)]  # the budget serves the newest first
    for turn, section in zip(reversed(turns), sections, strict=True):
        section["frames"] = [_frames(campaign, entry, shelf) for entry in turn.entries]  # and code before frames
    page = template("report.html.jinja").render(
        **told, first=first, curves=curves, generations=sections[::-1], shared=shelf.symbols()
    )
    return _styles_to_classes(page)


@dataclass
class _Shelf:
    """Pictures that are shown, each stored once; a picture used again costs a few bytes.

    Attributes:
        spent_bytes: of the budget, for words, pictures and code.
    """

    spent_bytes: int = 0
    _pictures: dict[str, Markup] = field(default_factory=dict)

    def embed(self, data: bytes, description: str, width: int) -> Markup:
        """Return the HTML that shows a PNG."""
        key = f"picture-{hashlib.sha256(data).hexdigest()[:16]}"
        height = round(width * int.from_bytes(data[20:24]) / int.from_bytes(data[16:20]))  # the PNG's own header
        if key not in self._pictures:
            symbol = Markup('<symbol id="{}" viewBox="0 0 {} {}">{}</symbol>')
            picture = Markup('<image href="{}" width="{}" height="{}"/>').format(data_uri(data), width, height)
            self._pictures[key] = symbol.format(key, width, height, picture)
            self.spent_bytes += len(picture)
        return Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}"><use href="#{}"/></svg>').format(
            text(description), width, height, width, key
        )

    def symbols(self) -> Markup:
        """Return all pictures, for the end of the page."""
        return Markup("").join(self._pictures.values())

    @property
    def full(self) -> bool:
        """Whether no more code or pictures should be added."""
        return self.spent_bytes > BUDGET_BYTES

    def keep(self, html: Markup) -> Markup:
        """Return a piece of the page, counted; a line in its place if no more should be added."""
        if self.full:
            return note(_NO_ROOM) if html else html
        self.spent_bytes += len(_styles_to_classes(html))
        return html

    def chart(self, figure: Chart, description: str) -> Markup:
        """Return the HTML that shows a chart."""
        return self.embed(png(figure), description, min(CHART_PIXELS, round(figure.get_figwidth() * DPI)))

    def frame(self, picture: Picture, description: str) -> Markup:
        """Return the HTML that shows a frame."""
        data, width = to_png(picture, FRAME_PIXELS)
        return self.embed(data, description, width)


def _generations(campaign: Campaign) -> list[Generation]:
    """Return all generations from one reading of the ledger, each with the champion of its time."""
    entries, ended = campaign.ledger.entries(), campaign.ledger.ended()
    turns, champion = [], None
    for number in sorted({*campaign.ledger.generations(), *ended}):
        ours = tuple(entry for entry in entries if entry.generation == number)
        turn = Generation(number, ours, champion, ended.get(number, 0.0))
        turns.append(turn)
        champion = turn.adopted or champion
    return turns


def _section(campaign: Campaign, turn: Generation, shelf: _Shelf) -> dict[str, object]:
    complete = turn.number in campaign.ledger.ended()
    beaten = f"against v{turn.champion.version}" if turn.champion else "no champion before it"
    return {
        "number": turn.number,
        "state": f"{beaten}, {turn.wall_s:.1f} s" if complete else f"{beaten}, not complete",
        "candidates": [_candidate(campaign, turn, entry, shelf) for entry in turn.entries],
        "chart": note(f"RD chart: {_NO_ROOM}")
        if shelf.full
        else shelf.chart(plot_rd(campaign, turn), f"rate against PSNR, generation {turn.number}"),
    }


def _candidate(campaign: Campaign, turn: Generation, entry: Entry, shelf: _Shelf) -> dict[str, object]:
    evaluation = entry.evaluation
    return {
        "number": entry.number,
        "version": entry.version,
        "outcome": chip(entry.outcome),
        "hypothesis": entry.candidate.hypothesis or "(no hypothesis given)",
        "proposer": entry.candidate.proposer,
        "hash": entry.candidate.hash[:12],
        "bd_rate": percent(entry.verdict.bd_rate_pct if entry.verdict else None),
        "reasons": "" if evaluation and evaluation.failure else reasons(entry),
        "failure": shelf.keep(failure_blocks(evaluation)) if evaluation else "",
        "code_title": _code_title(turn, entry),
        "code": _code(turn, entry, shelf),
        "points": _points(entry, shelf),
    }


def _code_title(turn: Generation, entry: Entry) -> str:
    if turn.champion is None:
        return "code: the whole program"
    change = count_changes(turn.champion.candidate.source, entry.candidate.source)
    return f"code: {change} against v{turn.champion.version}"


def _code(turn: Generation, entry: Entry, shelf: _Shelf) -> Markup:
    if shelf.full:
        return note(_NO_ROOM)
    source = entry.candidate.source
    if turn.champion is None:
        code = show_code(source)
    else:
        titles = f"champion v{turn.champion.version}", f"candidate {entry.number}"
        code = show_diff(turn.champion.candidate.source, source, *titles, whole=False)
    return shelf.keep(code.html)


def _points(entry: Entry, shelf: _Shelf) -> Markup:
    if entry.evaluation is None or not entry.evaluation.points:
        return Markup("")
    return note(_NO_ROOM) if shelf.full else shelf.keep(show_points(entry.evaluation).html)


def _frames(campaign: Campaign, entry: Entry, shelf: _Shelf) -> Markup:
    if entry.evaluation is None or entry.evaluation.failure is not None:
        return Markup("")
    return note(_NO_ROOM) if shelf.full else show_frames(campaign, entry, shelf.frame).html


def _styles_to_classes(page: str) -> str:
    """Return the page with each inline style written once: a table of code repeats the same four a thousand times."""
    classes: dict[str, str] = {}

    def named(match: re.Match[str]) -> str:
        return f'class="{classes.setdefault(match[1], f"s{len(classes)}")}"'

    page = re.sub(r'style="([^"]*)"', named, page)  # text cannot match: its quotes are escaped
    rules = "\n".join(f".{name}{{{style}}}" for style, name in classes.items())
    return page.replace("/* styles */", rules, 1)
