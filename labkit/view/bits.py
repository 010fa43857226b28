"""Where an encoder says that its bytes go: drawn with what the file really weighs, believed by nobody."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from labkit.campaign import Campaign
from labkit.rd import CONTAINER, UNTOLD, RDPoint, shares
from labkit.view.curves import clips_of, coders_of, missing_name
from labkit.view.plots import DPI, Chart, Curves, message, plain

SHADES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Okabe and Ito's palette."""
USUAL = ("luma levels", "chroma levels", "motion", "intra modes", "transform sizes", "restoration filter")
"""What the built-in codecs tell of: one shade each in every chart; other components share what is left."""
MOST = len(SHADES)
OTHERS = "others"
_GREYS = {OTHERS: "#7f7f7f", CONTAINER: "#c0c0c0", UNTOLD: "#ffffff"}
_LABELLED_PCT, _SEEN_PCT = 6, 0.05
"""A part of at least this much has room for its number; can be seen at all."""


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
    if not told and any(point.reported for points in curves[coder].values() for point in points):
        return message(
            f"What {coder} reported on {', '.join(clips)} is not kept: only reports on development clips are."
        )
    if not told:
        return message(f"{coder} reports nothing: no encoder has to say where its bytes go (config['report']).")
    shades = _shades(_largest(point for points in told.values() for point in points))
    shown = list(told.items())[:6]
    rows, columns = (len(shown) + 1) // 2, min(2, len(shown))
    figure = Chart(figsize=(5.4 * columns if columns > 1 else 7.5, 3.1 * rows + 1.1), dpi=DPI)
    figure.set_layout_engine("constrained", h_pad=0.1)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, (name, points) in zip(panels, shown, strict=False):
        _draw_panel(axes, name, points, shades)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    figure.suptitle(f"Where the bytes of {plain(coder)} go, as its own encoder says", fontsize=12)
    handles = {label: bars for axes in panels for bars, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    says = "measured are the file and its container; what the encoder says is believed by nobody"
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False, title=says)
    return figure


def _largest(points: Iterable[RDPoint]) -> tuple[str, ...]:
    """Return the names that took the most bytes in all, the largest first."""
    sums: Counter[str] = Counter()
    for point in points:
        for name, amount in point.reported:
            if name not in _GREYS:  # these have a meaning here, whoever tells of them
                sums[name] += max(amount, 0)  # type: ignore[assignment]  # amounts are floats, names are few
    return tuple(name for name, _ in sums.most_common(MOST))


def _shades(names: Sequence[str]) -> dict[str, str]:
    """Return a shade for each name, the usual ones first: they lie in the same order with the same shade everywhere."""
    usual = {name: shade for name, shade in zip(USUAL, SHADES, strict=True) if name in names}
    left = [shade for shade in SHADES if shade not in usual.values()]
    return usual | dict(zip([name for name in names if name not in usual], left, strict=False))


def _parts(point: RDPoint, names: Collection[str]) -> dict[str, float]:
    """Return percent of the file by component, what has no bar of its own as "others"."""
    parts = dict.fromkeys((*names, *_GREYS), 0.0)
    for name, share in shares(point).items():
        parts[name if name in parts else OTHERS] += 100 * share
    return parts


def _draw_panel(axes: Axes, clip: str, points: Sequence[RDPoint], shades: Mapping[str, str]) -> None:
    points = sorted(points, key=lambda point: point.qp)
    parts = [_parts(point, shades) for point in points]
    base = [0.0] * len(points)
    for name, colour in {**shades, **_GREYS}.items():
        heights = [part[name] for part in parts]
        if max(heights) >= _SEEN_PCT:
            _draw_part(axes, name, colour, heights, base)
        base = [low + height for low, height in zip(base, heights, strict=True)]
    axes.set_xticks(range(len(points)), [f"{point.qp}\n{point.bytes:,} B" for point in points])
    axes.axhline(100, color="#222222", linewidth=0.8)
    axes.set_title(plain(clip), fontsize=11)
    axes.set_xlabel("QP, and the file's size in bytes")
    axes.set_ylabel("share of the file (%)")
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    axes.set_ylim(0, max(105.0, *(1.05 * top for top in base)))


def _draw_part(axes: Axes, name: str, colour: str, heights: Sequence[float], base: Sequence[float]) -> None:
    hatch, edge = ("///", "#555555") if name == UNTOLD else ("", "none")
    bars = axes.bar(range(len(heights)), heights, 0.7, base, color=colour, edgecolor=edge, linewidth=0.5, hatch=hatch,
                    label=plain(name, 24))  # fmt: skip
    if name != UNTOLD:
        numbers = [f"{height:.0f} %" if height >= _LABELLED_PCT else "" for height in heights]
        axes.bar_label(
            bars, numbers, label_type="center", fontsize=9, color="white" if colour == SHADES[0] else "black"
        )
