"""When each generation ran, how long it took, and what came of it, as a chart."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from labkit.campaign import Campaign
from labkit.view.books import ADOPTED, ALL_FAILED, NONE_ADOPTED, OPEN, Turn, read_books
from labkit.view.plots import DPI, Chart, message

LOOKS = {
    ADOPTED: ("#009e73", ""),
    NONE_ADOPTED: ("#e69f00", ""),
    ALL_FAILED: ("#d55e00", "///"),
    OPEN: ("#56b4e9", "..."),
}
"""Colour (Okabe and Ito) and hatching by what came of a generation."""
_UNITS = ((2 * 3600, 3600.0, "hours"), (180, 60.0, "minutes"), (0, 1.0, "seconds"))
_NAMED = 40
"""Versions that still have room for their names."""


def plot_timeline(campaign: Campaign) -> Chart:
    """Draw each generation as a bar as long as it took, one after the other; time when nobody ran it is left out."""
    return draw_timeline(read_books(campaign).turns, campaign.settings.generations)


def draw_timeline(turns: Sequence[Turn], asked: int) -> Chart:
    """Draw generations; `asked` is the number of the last one."""
    if not turns:
        return message("No generation has begun yet: there is no timeline to draw.")
    figure = Chart(figsize=(9.0, min(1.5 + 0.22 * (asked + 1), 4.2)), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    total_s = sum(turn.wall_s for turn in turns)
    unit_s, unit = next((seconds, name) for least, seconds, name in _UNITS if total_s >= least)
    _bars(axes, turns, unit_s)
    axes.set_ylim(asked + 0.6, -0.6)
    axes.set_xlim(0, max(total_s / unit_s * 1.06, 1e-3))
    axes.set_xlabel(f"{unit} of work since the campaign began")
    axes.set_ylabel("generation")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, axis="x", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    kinds = dict.fromkeys(turn.kind for turn in turns)
    handles = [
        Patch(facecolor=LOOKS[k][0], hatch=LOOKS[k][1], edgecolor="#333333", label=k) for k in LOOKS if k in kinds
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure


def _bars(axes: Axes, turns: Sequence[Turn], unit_s: float) -> None:
    named = sum(turn.version is not None for turn in turns) <= _NAMED
    start = 0.0
    for turn in turns:
        colour, hatch = LOOKS[turn.kind]
        length = turn.wall_s / unit_s
        edge = "#333333" if len(turns) <= _NAMED else colour
        axes.barh(turn.number, length, left=start, height=0.8, color=colour, hatch=hatch, edgecolor=edge, linewidth=0.5)
        start += length
        if turn.version is not None and named:
            axes.annotate(f"v{turn.version}", (start, turn.number), (4, 0), textcoords="offset points",
                          va="center", fontsize=9)  # fmt: skip
