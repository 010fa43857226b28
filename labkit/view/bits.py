"""Where an encoder says that its bytes go: drawn with what the file really weighs, believed by nobody."""

from collections import Counter
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from labkit.campaign import Campaign
from labkit.rd import RDPoint
from labkit.view.curves import clips_of, coders_of, missing_name
from labkit.view.plots import DPI, Chart, Curves, message, plain

SHADES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Okabe and Ito's, of components: they have no colour of their own as coders have."""
MOST = len(SHADES)
OTHERS, UNTOLD = "others", "not told"
_GREYS = {OTHERS: "#7f7f7f", UNTOLD: "#ffffff"}


def plot_bits(campaign: Campaign, clip: str = "", coder: str = "") -> Chart:
    """Draw what share of a file goes where, by QP, as its encoder reports it.

    Args:
        clip: its name; all clips if empty, at most six.
        coder: as `coders_of` calls it; the champion if empty.
    """
    curves = coders_of(campaign)
    coder = coder or next(iter(curves), "")
    if not curves:
        return message("Nothing is measured yet: no encoder has told where its bytes go.")
    if coder not in curves:
        return message(missing_name("coder", coder, curves))
    if clip and clip not in clips_of(curves):
        return message(missing_name("clip", clip, clips_of(curves)))
    return draw_bits(curves, coder, (clip,) if clip else tuple(curves[coder]))


def draw_bits(curves: Curves, coder: str, clips: Sequence[str]) -> Chart:
    """Draw one panel of stacked bars for each clip on which `coder` reported something."""
    told = {clip: points for clip in clips if (points := [p for p in curves[coder].get(clip, ()) if p.reported])}
    if not told:
        return message(f"{coder} reports nothing: no encoder has to say where its bytes go (config['report']).")
    names = _largest(point for points in told.values() for point in points)
    shown = list(told.items())[:6]
    rows, columns = (len(shown) + 1) // 2, min(2, len(shown))
    figure = Chart(figsize=(5.4 * columns if columns > 1 else 7.5, 3.1 * rows + 1.1), dpi=DPI)
    figure.set_layout_engine("constrained", h_pad=0.1)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, (name, points) in zip(panels, shown, strict=False):
        _draw_panel(axes, name, points, names)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    figure.suptitle(f"as the encoder of {plain(coder)} says; measured is only the file's size, believed is none of it",
                    fontsize=10)  # fmt: skip
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure


def _largest(points: Iterable[RDPoint]) -> tuple[str, ...]:
    """Return the names that took the most bytes in all, the largest first."""
    sums: Counter[str] = Counter()
    for point in points:
        for name, amount in point.reported:
            sums[name] += max(amount, 0)  # type: ignore[assignment]  # amounts are floats, names are few
    return tuple(name for name, _ in sums.most_common(MOST))


def _parts(point: RDPoint, names: Sequence[str]) -> dict[str, float]:
    """Return percent of the file by component, what is left over as "others" and "not told"."""
    told = dict(point.reported)
    parts = {name: told.get(name, 0.0) for name in names}
    parts[OTHERS] = sum(max(amount, 0) for name, amount in told.items() if name not in names)
    parts[UNTOLD] = point.bytes - sum(max(amount, 0) for amount in told.values())
    return {name: 100 * max(amount, 0) / point.bytes for name, amount in parts.items()}


def _draw_panel(axes: Axes, clip: str, points: Sequence[RDPoint], names: Sequence[str]) -> None:
    points = sorted(points, key=lambda point: point.qp)
    parts = [_parts(point, names) for point in points]
    places, base = range(len(points)), [0.0] * len(points)
    for name, colour in (*zip(names, SHADES, strict=False), *_GREYS.items()):
        heights = [part[name] for part in parts]
        if any(heights) or name in names:
            hatch = "///" if name == UNTOLD else ""
            axes.bar(places, heights, 0.7, base, color=colour, edgecolor="#555555", linewidth=0.5, hatch=hatch,
                     label=plain(name, 24))  # fmt: skip
        base = [low + height for low, height in zip(base, heights, strict=True)]
    axes.set_xticks(places, [f"{point.qp}\n{point.bytes:,} B" for point in points])
    axes.axhline(100, color="#222222", linewidth=0.8)
    axes.set_title(plain(clip), fontsize=11)
    axes.set_xlabel("QP, and the file's size in bytes")
    axes.set_ylabel("reported share of the file (%)")
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    axes.set_ylim(0, max(105.0, *(1.05 * top for top in base)))
