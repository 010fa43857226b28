"""Charts: rate-distortion curves with real encoders beside them, and how far the campaign has come."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, isfinite, isinf
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from PIL import Image

from labkit.adopt import REFERENCE, mean_bd_rate, versus
from labkit.campaign import Campaign, Generation
from labkit.jail.wire import printable
from labkit.ledger import HELD_OUT_ROLE, Entry
from labkit.rd import METRICS, RDCurve, RDPoint
from labkit.view.axes import log_axis, percent_axis

DPI = 80
"""Of what a notebook and the report show: sharp enough to read, small enough to keep."""

Curves = Mapping[str, Mapping[str, Sequence[RDPoint]]]
"""Rate points by what coded them ("champion v2", "x265-medium"), then by clip."""

COLOURS = {
    "champion": "#000000",
    "candidate": "#d55e00",
    "version 0": "#7f7f7f",
    "version": "#595959",
    "x265-medium": "#0072b2",
    "x265-slow": "#56b4e9",
    "x264-medium": "#e69f00",
    "svt-av1": "#009e73",
    "vp9": "#cc79a7",
}
"""One colour for each coder in every chart: Okabe and Ito's palette, told apart by the colour-blind, too."""

_MARKERS = {"champion": "o", "version 0": "."}
_CANDIDATE_MARKERS, _CANDIDATE_LINES = "DsvP^X<>h*", ("-", ":", "-.", "--")
_ANCHOR_MARKER = "x"
_MANY = 100
_COLUMN_INCHES, _ROW_INCHES = 5.4, 3.7


class Chart(Figure):
    """A matplotlib Figure that shows itself as a PNG wherever it is the value of a cell."""

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """Return a figure as a PNG file of at most 128 colours: a third of the bytes of all colours."""
    figure.set_dpi(dpi)
    figure.set_facecolor("white")
    canvas, small = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    # an octree keeps thin lines in their own colours, which median cut mixes: every coder has one colour everywhere
    picture = Image.fromarray(pixels[..., :3]).quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    picture.putpalette([255 if part >= 253 else part for part in picture.getpalette() or ()])  # white stays white
    picture.save(small, "png", optimize=True)
    return small.getvalue()


def plot_rd(campaign: Campaign, generation: int | Generation | None = None, clip: str | None = None) -> Chart:
    """Draw rate against overall PSNR: one panel for each clip, or for one clip.

    Args:
        generation: its candidates and the champion that they met; None for the champion and version 0 now.
    """
    if isinstance(generation, int):
        generation = campaign.recorded(generation)
    coders = _final_curves(campaign) if generation is None else generation_curves(generation)
    curves = {**coders, **campaign.ledger.anchors()}
    return draw_rd(curves if clip is None else {name: {clip: by.get(clip, ())} for name, by in curves.items()})


def generation_curves(generation: Generation) -> Curves:
    """Return the points of a generation's candidates and of the champion that they met; none for a failed one."""
    champion = generation.champion
    entries = [*generation.entries, *([champion] if champion else [])]
    labels = [*map(candidate_label, generation.entries), *([f"champion v{champion.version}"] if champion else [])]
    pairs = zip(labels, entries, strict=True)
    return {label: e.evaluation.by_clip for label, e in pairs if e.evaluation and e.evaluation.points}


def candidate_label(entry: Entry) -> str:
    """Return what a candidate is called in charts and captions."""
    if entry.version is not None:
        return f"candidate {entry.number} (now v{entry.version})"
    return f"candidate {entry.number}"


def _final_curves(campaign: Campaign) -> Curves:
    versions = {e.version: e.evaluation for e in campaign.ledger.entries() if e.version is not None}
    if not versions:
        return {}
    named = {f"champion v{max(versions)}": versions[max(versions)]}
    if max(versions) > 0:
        named["version 0"] = versions[0]
    return {label: evaluation.by_clip for label, evaluation in named.items() if evaluation}


def draw_rd(curves: Curves, metric: str = "psnr_db") -> Chart:
    """Draw rate points of any coders, one panel for each clip, the legend below.

    Args:
        metric: one of `labkit.rd.METRICS`; SSIM and MS-SSIM are drawn in decibels.
    """
    clips = list(dict.fromkeys(clip for by_clip in curves.values() for clip, points in by_clip.items() if points))
    if not clips:
        return message("Nothing is measured yet: there is no rate point to draw.")
    columns = min(len(clips), 2)
    rows = ceil(len(clips) / columns)
    width = _COLUMN_INCHES * columns if columns > 1 else 1.4 * _COLUMN_INCHES
    figure = Chart(figsize=(width, _ROW_INCHES * rows + 0.7), dpi=DPI)
    figure.set_layout_engine("constrained", h_pad=0.1, w_pad=0.1)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    styles = styles_of(curves)
    for axes, clip in zip(panels, clips, strict=False):
        for label, by_clip in curves.items():
            _draw_curve(axes, by_clip.get(clip, ()), styles[label], metric)
        _finish_rd(axes, clip, metric)
    for axes in panels[len(clips) :]:
        axes.set_axis_off()
    _legend_below(figure)
    return figure


@dataclass(frozen=True)
class Style:
    """How one coder is drawn, in every chart: the colour tells the kind, marker and line tell one from another."""

    label: str
    colour: str
    marker: str
    line: str
    width: float


def styles_of(curves: Iterable[str]) -> dict[str, Style]:
    """Return how each coder is drawn, by its label."""
    positions = count()
    return {label: _style(label, positions) for label in curves}


def _style(label: str, positions: Iterator[int]) -> Style:
    role = next((role for role in ("champion", "candidate", "version 0", "version") if label.startswith(role)), label)
    colour = COLOURS.get(role, COLOURS["candidate"])
    if role in ("champion", "version 0"):
        return Style(label, colour, _MARKERS[role], "-", 1.8)
    if label in COLOURS:
        return Style(label, colour, _ANCHOR_MARKER, "-" if label == REFERENCE else "--", 1.2)
    position = next(positions)
    marker, line = _CANDIDATE_MARKERS[position % len(_CANDIDATE_MARKERS)], _CANDIDATE_LINES[position % 4]
    return Style(label, colour, marker, line, 1.8)


def quality_db(point: RDPoint, metric: str) -> float:
    """Return what a chart's upright axis shows of a point, in dB: inf for a lossless one, nan where it is unknown."""
    return RDCurve.of("", [point], metric).psnr_db[0]


def quality_label(metric: str) -> str:
    """Return what a metric is called on an axis, with its unit."""
    name = METRICS[metric]
    if "SSIM" in name:
        return f"{name} (dB: -10 log10(1 - {name}))"
    return f"{'overall PSNR' if name == 'PSNR' else name} (dB)"


def _draw_curve(axes: Axes, points: Sequence[RDPoint], style: Style, metric: str) -> None:
    placed = sorted((p.rate_kbps, quality_db(p, metric)) for p in points)
    shown = [pair for pair in placed if isfinite(pair[1])]
    lossless = [rate for rate, quality in placed if isinf(quality)]
    label = plain(style.label)
    if shown:
        rates, decibels = zip(*shown, strict=True)
        axes.plot(rates, decibels, color=style.colour, marker=style.marker, linestyle=style.line,
                  linewidth=style.width, markersize=6, label=label)  # fmt: skip
    elif lossless:
        axes.axvline(min(lossless), color=style.colour, linestyle=":", label=f"{label} (lossless)")


def _finish_rd(axes: Axes, clip: str, metric: str) -> None:
    axes.set_title(plain(clip), fontsize=11)
    axes.set_xlabel("rate (kbps, log scale)")
    axes.set_ylabel(quality_label(metric))
    if not axes.lines:
        missing = f"no {METRICS[metric]} here:\nmeasured before there was one, or a small clip"
        axes.text(0.5, 0.5, missing, ha="center", va="center", transform=axes.transAxes, fontsize=10)
    log_axis(axes)
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.7)


def _legend_below(figure: Figure) -> None:
    known: dict[str, Line2D] = {}
    for axes in figure.axes:
        known |= {str(line.get_label()): line for line in axes.lines}
    columns = 4 if figure.get_figwidth() > 9 else 3
    figure.legend(handles=list(known.values()), loc="outside lower center", ncols=columns, fontsize=9, frameon=False)


def plot_progress(campaign: Campaign, anchor: str = REFERENCE) -> Chart:
    """Draw each candidate's mean BD-rate against a real encoder by generation, and the best so far."""
    rated = rated_entries(campaign, anchor)
    if not rated:
        return message(f"No candidate has a BD-rate against {anchor} yet.")
    figure = Chart(figsize=(9.0, 3.6), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for adopted, colour, label in ((True, COLOURS["champion"], "adopted"), (False, COLOURS["candidate"], "rejected")):
        dots = [(e.generation, value) for e, value in rated if (e.version is not None) is adopted]
        if dots:
            numbers, values = zip(*dots, strict=True)
            face = colour if adopted else "none"
            axes.scatter(
                numbers,
                values,
                s=36 if len(rated) < _MANY else 9,
                edgecolors=colour,
                facecolors=face,
                label=label,
                zorder=3,
            )
    last = campaign.next_number - 1
    _draw_champions(axes, rated, last, "champion", "-")
    _draw_champions(axes, _held_out(campaign, anchor), last, "champion, held-out clips", "--")
    axes.axhline(0, color=COLOURS.get(anchor, "#0072b2"), linewidth=1.2, label=anchor)
    axes.set_xlabel("generation")
    axes.set_ylabel(f"BD-rate against\n{anchor} (% of bits, less is better)")
    percent_axis(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, color="#dddddd", linewidth=0.7)
    figure.legend(fontsize=9, frameon=False, loc="outside right upper")
    return figure


def rated_entries(campaign: Campaign, anchor: str) -> list[tuple[Entry, float]]:
    """Return the candidates with their mean BD-rate against an anchor, percent; those without a number are left out."""
    points = campaign.ledger.anchors().get(anchor, {})  # read once: there may be hundreds of candidates
    return [
        (entry, value)
        for entry in campaign.ledger.entries()
        if points and entry.evaluation and entry.evaluation.points
        if (value := mean_bd_rate(versus(entry.evaluation, points, anchor))) is not None
    ]


def _held_out(campaign: Campaign, anchor: str) -> list[tuple[Entry, float]]:
    """Return the versions with their mean BD-rate on held-out clips, percent; none where that is no number."""
    measured, points = campaign.ledger.held_out(), campaign.ledger.anchors(HELD_OUT_ROLE).get(anchor, {})
    return [
        (entry, value)
        for entry in campaign.ledger.entries()
        if points and entry.version is not None and (found := measured.get(entry.number)) and found.points
        if (value := mean_bd_rate(versus(found, points, anchor))) is not None
    ]


def _draw_champions(axes: Axes, rated: Sequence[tuple[Entry, float]], last: int, label: str, line: str) -> None:
    """Draw the champion's figure as steps that go on to the last complete generation."""
    steps = [(e.generation, value) for e, value in rated if e.version is not None]
    if steps:
        steps.append((max(last, steps[-1][0]), steps[-1][1]))
        numbers, values = zip(*steps, strict=True)
        axes.step(numbers, values, where="post", color=COLOURS["champion"], linestyle=line, label=label,
                  zorder=4 if len(steps) > _MANY / 4 else 2)  # fmt: skip


def message(line: str) -> Chart:
    """Return a chart that says in one line why there is nothing to draw."""
    lines = wrap(plain(line, 300), 90)
    figure = Chart(figsize=(8.0, 0.5 + 0.2 * len(lines)), dpi=DPI)
    figure.text(0.02, 0.5, "\n".join(lines), va="center", fontsize=11)
    return figure


def plain(label: str, limit: int = 60) -> str:
    """Return a label as matplotlib draws it word by word: no formulas, no hidden entries, not too long."""
    shown = printable(label.replace("\n", " "), limit).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown
