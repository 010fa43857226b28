"""The report: one HTML file that opens anywhere, offline, and starts with the answer."""

import hashlib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labkit.adopt import REFERENCE, versus
from labkit.campaign import Campaign, Generation
from labkit.errors import LabkitError
from labkit.jail import ISOLATION, ISOLATION_NOTE
from labkit.ledger import Entry
from labkit.settings import ROOT, Settings
from labkit.view.changes import failure_blocks
from labkit.view.code import count_changes, show_code, show_diff
from labkit.view.fragment import Fragment, bullets, chip, image, note, percent, table, text
from labkit.view.frames import Picture, show_frames, to_png
from labkit.view.plots import DPI, Chart, plot_progress, plot_rd, png
from labkit.view.tables import entries_table, reasons, show_bd_rates, show_points

PICTURE_BUDGET_BYTES = 5_500_000
"""Of pictures in one report, as base64: with text and code it stays below 10 MB."""

CHART_PIXELS = 860
"""Width of a chart on the page, at most."""

FRAME_PIXELS = 256
"""Width of a frame on the page, at most; notebooks show them larger."""

_NO_ROOM = "left out to keep the report small; the generation's notebook shows it"


def write_report(campaign: Campaign, path: Path) -> Path:
    """Write the report to `path`, whole or not at all; return the path."""
    html = render_report(campaign)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(html, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise LabkitError(
            f"cannot write the report {path}: {error.strerror}; name another place with --output"
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    return path


def render_report(campaign: Campaign) -> str:
    """Return the whole report as HTML that makes no request of any kind."""
    shelf = _Shelf()
    turns = _generations(campaign)
    overview = _overview(campaign, turns, shelf)
    sections = [_section(campaign, turn, shelf) for turn in reversed(turns)]  # the budget serves the newest first
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, loader=FileSystemLoader(Path(__file__).parent),
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["shown"] = text
    page = environment.get_template("report.html.jinja").render(
        **overview, generations=sections[::-1], shared=shelf.symbols()
    )
    return _styles_to_classes(page)


@dataclass
class _Shelf:
    """Pictures that are shown, each stored once; a picture used again costs a few bytes."""

    spent_bytes: int = 0
    _pictures: dict[str, Markup] = field(default_factory=dict)

    def embed(self, data: bytes, description: str, width: int) -> Markup:
        """Return the HTML that shows a PNG."""
        key = f"picture-{hashlib.sha256(data).hexdigest()[:16]}"
        height = round(width * int.from_bytes(data[20:24]) / int.from_bytes(data[16:20]))  # the PNG's own header
        if key not in self._pictures:
            symbol = Markup('<symbol id="{}" viewBox="0 0 {} {}">{}</symbol>')
            href = str(image(data, "", width)).split('"')[1]
            picture = Markup('<image href="{}" width="{}" height="{}"/>').format(Markup(href), width, height)
            self._pictures[key] = symbol.format(key, width, height, picture)
            self.spent_bytes += len(href)
        return Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}"><use href="#{}"/></svg>').format(
            text(description), width, height, width, key
        )

    def symbols(self) -> Markup:
        """Return all pictures, for the end of the page."""
        return Markup("").join(self._pictures.values())

    @property
    def full(self) -> bool:
        """Whether no more pictures should be added."""
        return self.spent_bytes > PICTURE_BUDGET_BYTES

    def chart(self, figure: Chart, description: str) -> Markup:
        """Return the HTML that shows a chart."""
        return self.embed(png(figure), description, min(CHART_PIXELS, round(figure.get_figwidth() * DPI)))

    def frame(self, picture: Picture, description: str) -> Markup:
        """Return the HTML that shows a frame."""
        data, width = to_png(picture, FRAME_PIXELS)
        return self.embed(data, description, width)


# --- the first screen ------------------------------------------------------------------------------------


def _overview(campaign: Campaign, turns: Sequence[Generation], shelf: _Shelf) -> dict[str, object]:
    entries = [entry for turn in turns for entry in turn.entries]
    adopted = [entry for entry in entries if entry.version is not None]
    ledger = campaign.ledger
    return {
        "name": campaign.folder.name,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "answer": _answer(campaign, entries, adopted),
        "progress": _progress(campaign),
        "isolation": _isolation(entries),
        "cost": f"{ledger.cost_usd():.2f} USD",
        "outcomes": _outcomes([entry for entry in entries if entry.generation > 0]),
        "alerts": [f"generation {row.generation}, {row.kind}: {row.text}" for row in ledger.alerts()],
        "bd_rates": _bd_rates(campaign, adopted),
        "adopted": _adopted_table(campaign, adopted),
        "charts": _charts(campaign, shelf),
        "command": command(campaign.settings, campaign.folder),
        "settings_file": settings_file(campaign.settings),
        "clips": _clips_table(ledger.clips()),
        "versions": table(("what", "version"), ledger.versions().items()),
        "candidates": entries_table(campaign, entries) if entries else note("No candidate is recorded yet."),
        "champion_code": _champion_code(adopted),
    }


def _answer(campaign: Campaign, entries: Sequence[Entry], adopted: Sequence[Entry]) -> str:
    if not adopted:
        return "There is no champion yet: nothing has been adopted."
    champion, start = adopted[-1], adopted[0]
    distance = _distance(campaign, champion)
    if champion is not start and (value := _against(campaign, start)) is not None:
        distance += f"; version {start.version} needed {_change(value)}"
    tried = sum(entry.generation > 0 for entry in entries)
    return f"{distance}. {sum(entry.generation > 0 for entry in adopted)} of {tried} candidates were adopted."


def _distance(campaign: Campaign, champion: Entry) -> str:
    """Return how far the champion is from the reference encoder, in words."""
    value = _against(campaign, champion)
    if value is None:
        return (
            f"The champion, v{champion.version}, has no BD-rate against {REFERENCE} ({_why_none(campaign, champion)})"
        )
    clips = champion.evaluation.clips if champion.evaluation else ()
    mean = f"on average over {len(clips)} clips" if len(clips) > 1 else f"on {clips[0]}"
    return f"The champion, v{champion.version}, needs {_change(value)} bits than {REFERENCE} at equal PSNR {mean}"


def _against(campaign: Campaign, entry: Entry) -> float | None:
    return campaign.against(entry.evaluation) if entry.evaluation else None


def _change(value: float) -> str:
    return f"{abs(value):,.1f} % {'more' if value > 0 else 'fewer'}"


def _why_none(campaign: Campaign, entry: Entry) -> str:
    points = campaign.ledger.anchors().get(REFERENCE)
    if not points:
        return "it was not measured"
    assert entry.evaluation is not None
    reasons = [f"{c.clip}: {c.reason}" for c in versus(entry.evaluation, points, REFERENCE) if c.reason]
    return reasons[0] if reasons else "no clip in common"


def _progress(campaign: Campaign) -> str:
    done, asked = campaign.next_number - 1, campaign.settings.generations
    if campaign.complete:
        return f"complete: {asked} generations after the start"
    return f"not complete: {max(done, 0)} of {asked} generations after the start are recorded"


def _isolation(entries: Sequence[Entry]) -> dict[str, object]:
    levels = sorted({entry.evaluation.isolation for entry in entries if entry.evaluation} or {ISOLATION})
    open_wall = "none" in levels
    words = ISOLATION_NOTE if open_wall else f"isolation: {', '.join(levels)}"
    return {"text": words, "open": open_wall, "levels": ", ".join(levels)}


def _outcomes(entries: Sequence[Entry]) -> str:
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.outcome] = counts.get(entry.outcome, 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "none"


def _bd_rates(campaign: Campaign, adopted: Sequence[Entry]) -> Markup:
    """Return the table of BD-rates against every real encoder: the champion and version 0."""
    anchors = list(campaign.ledger.anchors())
    if not adopted or not anchors:
        return note("No real encoder stands beside an adopted version yet.")
    shown = dict.fromkeys([adopted[-1], adopted[0]])
    rows = [
        (f"v{e.version}", *(percent(campaign.against(e.evaluation, name)) for name in anchors if e.evaluation))
        for e in shown
    ]
    champion = adopted[-1].evaluation
    assert champion is not None
    by_clip = show_bd_rates(campaign, champion).html
    folded = Markup("<details><summary>v{} clip by clip</summary>{}</details>").format(adopted[-1].version, by_clip)
    columns = ("version", *(f"vs {name}" for name in anchors))
    return table(columns, rows, numbers=columns[1:]) + folded


def _adopted_table(campaign: Campaign, adopted: Sequence[Entry]) -> Markup:
    columns = ("version", "generation", "hypothesis", "vs the champion before", f"vs {REFERENCE}")
    rows = [
        (
            f"v{entry.version}",
            Markup('<a href="#generation-{0}">{0}</a>').format(entry.generation),
            entry.candidate.hypothesis,
            percent(entry.verdict.bd_rate_pct if entry.verdict else None),
            percent(_against(campaign, entry)),
        )
        for entry in adopted
    ]
    return table(columns, rows, columns[:2] + columns[3:], prose=("hypothesis",)) if rows else note("None yet.")


def _charts(campaign: Campaign, shelf: _Shelf) -> list[Markup]:
    return [
        shelf.chart(plot_progress(campaign), f"BD-rate against {REFERENCE} by generation"),
        shelf.chart(plot_rd(campaign), "rate against PSNR of the champion, version 0 and real encoders"),
    ]


def _clips_table(clips: Mapping[str, Any]) -> Markup:
    if not clips:
        return note("No clip is recorded yet.")
    columns = ("clip", "size", "frames", "fps", "matrix", "origin", "changed at import", "hash")
    return table(columns, [
        (row.name, f"{row.width}x{row.height}", row.frames, row.fps, row.matrix, row.origin,
         bullets(row.notes) or "nothing", row.hash[:12])
        for row in clips.values()
    ], numbers=("size", "frames", "fps"))  # fmt: skip


def _champion_code(adopted: Sequence[Entry]) -> Fragment | Markup:
    if not adopted:
        return note("There is no champion yet.")
    return show_code(adopted[-1].candidate.source, f"code of the champion, v{adopted[-1].version}")


def command(settings: Settings, folder: Path) -> str:
    """Return the command that runs the same campaign again."""
    words = ["./lab", "evolve", "--name", folder.name]
    if folder.resolve().parent != ROOT / "runs":
        words += ["--runs", str(folder.resolve().parent)]
    default = Settings()
    if settings_file(settings):
        words += ["--settings", "campaign.toml"]
    for key in Settings.model_fields:
        value = getattr(settings, key)
        if key not in ("rule", "limits") and value != getattr(default, key):
            words += [f"--{key}", *_words(key, value)]
    return shlex.join(words)


def _words(key: str, value: Any) -> list[str]:
    if key == "clips":
        return list(value)
    if isinstance(value, tuple):
        return [",".join(map(str, value)) or "none"]
    return ["0" if value is None else str(value)]


def settings_file(settings: Settings) -> str:
    """Return as TOML what the command needs besides its flags; "" if nothing."""
    default, lines = Settings(), []
    for name in ("rule", "limits"):
        if (section := getattr(settings, name)) != getattr(default, name):
            values = [f'{key} = "{v}"' if isinstance(v, str) else f"{key} = {v}" for key, v in asdict(section).items()]
            lines += [f"[{name}]", *values]
    return "\n".join(lines)


# --- generation by generation ----------------------------------------------------------------------------


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
        "failure": failure_blocks(evaluation) if evaluation else "",
        "code_title": _code_title(turn, entry),
        "code": _code(turn, entry),
        "points": show_points(evaluation) if evaluation and evaluation.points else "",
        "frames": _frames(campaign, entry, shelf),
    }


def _code_title(turn: Generation, entry: Entry) -> str:
    if turn.champion is None:
        return "code: the whole program"
    change = count_changes(turn.champion.candidate.source, entry.candidate.source)
    return f"code: {change} against v{turn.champion.version}"


def _code(turn: Generation, entry: Entry) -> Fragment:
    if turn.champion is None:
        return show_code(entry.candidate.source)
    old, title = turn.champion.candidate.source, f"champion v{turn.champion.version}"
    return show_diff(old, entry.candidate.source, title, f"candidate {entry.number}", whole=False)


def _frames(campaign: Campaign, entry: Entry, shelf: _Shelf) -> Fragment | Markup:
    if entry.evaluation is None or entry.evaluation.failure is not None:
        return Markup("")
    return note(f"Frames: {_NO_ROOM}") if shelf.full else show_frames(campaign, entry, shelf.frame)


def _styles_to_classes(page: str) -> str:
    """Return the page with each inline style written once: a table of code repeats the same four a thousand times."""
    classes: dict[str, str] = {}

    def named(match: re.Match[str]) -> str:
        return f'class="{classes.setdefault(match[1], f"s{len(classes)}")}"'

    page = re.sub(r'style="([^"]*)"', named, page)  # text cannot match: its quotes are escaped
    rules = "\n".join(f".{name}{{{style}}}" for style, name in classes.items())
    return page.replace("/* styles */", rules, 1)
