"""Where the versions stand: one chart with the real encoders in it, one table with gains on both kinds of clips."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from labkit.adopt import REFERENCE, mean_bd_rate, versus
from labkit.campaign import Campaign
from labkit.candidate import Evaluation
from labkit.goal import mean_ratio
from labkit.ledger import Entry
from labkit.view.answer import known_range
from labkit.view.fragment import Fragment, note, percent, table
from labkit.view.plots import COLOURS, DPI, Chart, message

MOST_ROWS = 7
"""Versions in the short table: the first and the newest."""

_COLUMNS = ("version", "gen", "gain", "held-out gain", f"vs {REFERENCE}", "held out", "goal")


def show_standing(campaign: Campaign) -> Fragment:
    """Return each version's gain on clips that were tuned to and on held-out ones, and its distance to the goal."""
    adopted = [entry for entry in campaign.ledger.entries() if entry.version is not None]
    if not adopted:
        return Fragment(note("No version yet."), "versions")
    shown = adopted if len(adopted) <= MOST_ROWS else [adopted[0], *adopted[1 - MOST_ROWS :]]
    html = table(_COLUMNS, [_row(campaign, entry) for entry in shown], numbers=_COLUMNS)
    left_out = len(adopted) - len(shown)
    more = f" {left_out} versions between are left out here." if left_out else ""
    legend = (
        "Percent of bits at equal PSNR, mean over clips; negative is better. Gain: against the version before, on "
        "development clips and on held-out ones, which nobody tunes to. "
        f"Goal: needed rate by the goal's; 1 or less reaches it, in brackets where only some clips tell.{more}"
    )
    return Fragment(html + note(legend), "versions")


def _row(campaign: Campaign, entry: Entry) -> tuple[object, ...]:
    distances = campaign.distances(entry)
    ratio = mean_ratio(distances)
    return (
        f"v{entry.version}",
        entry.generation,
        percent(entry.verdict.bd_rate_pct if entry.verdict else None),
        percent(campaign.held_out_gain(entry)),
        percent(campaign.against(entry.evaluation) if entry.evaluation else None),
        percent(campaign.held_out_against(entry)),
        known_range(distances).replace(" clips", "") or "–" if ratio is None else f"{ratio:.2f} x",
    )


def plot_standing(campaign: Campaign) -> Chart:
    """Draw by generation how many bits versions and real encoders need for the PSNR of the reference encoder."""
    rated = _rated(campaign)
    if not rated:
        return message(f"No candidate has a BD-rate against {REFERENCE} yet.")
    figure = Chart(figsize=(7.4, 4.0), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _draw_anchors(axes, campaign)
    rejected = [(entry.generation, ratio) for entry, ratio in rated if entry.version is None]
    if rejected:
        _draw_dots(axes, rejected, COLOURS["candidate"], "rejected")
    adopted = [(entry.generation, ratio) for entry, ratio in rated if entry.version is not None]
    last = max(campaign.next_number - 1, rated[-1][0].generation)
    _draw_steps(axes, adopted, last, "-", "champion")
    _draw_steps(axes, _unseen(campaign, [entry for entry, _ in rated]), last, ":", "held-out clips")
    finish_ratios(axes)
    figure.legend(fontsize=9, frameon=False, loc="outside right upper")
    return figure


def _rated(campaign: Campaign) -> list[tuple[Entry, float]]:
    """Return what has a BD-rate against the reference, as the bits that it needs by the reference's."""
    return [
        (entry, _ratio(value))
        for entry in campaign.ledger.entries()
        if entry.evaluation and (value := campaign.against(entry.evaluation)) is not None
    ]


def _unseen(campaign: Campaign, entries: Sequence[Entry]) -> list[tuple[int, float]]:
    measured = campaign.ledger.held_out()
    adopted = [entry for entry in entries if entry.version is not None and entry.number in measured]
    values = [(entry.generation, campaign.held_out_against(entry)) for entry in adopted]
    return [(generation, _ratio(value)) for generation, value in values if value is not None]


def _ratio(bd_rate_pct: float) -> float:
    return 1 + bd_rate_pct / 100


def _draw_anchors(axes: Axes, campaign: Campaign) -> None:
    """Draw each real encoder as a line at the bits that it needs itself."""
    anchors = campaign.ledger.anchors()
    for name, by_clip in anchors.items():
        points = tuple(point for points in by_clip.values() for point in points)
        found = versus(Evaluation(name, "", points), anchors[REFERENCE], REFERENCE)
        value = 0.0 if name == REFERENCE else mean_bd_rate(found)
        if value is not None:
            style = "-" if name == REFERENCE else "--"
            axes.axhline(_ratio(value), color=COLOURS.get(name, "#7f7f7f"), linestyle=style, linewidth=1.3, label=name)


def _draw_dots(axes: Axes, dots: Sequence[tuple[int, float]], colour: str, label: str) -> None:
    numbers, ratios = zip(*dots, strict=True)
    axes.scatter(numbers, ratios, s=26, edgecolors=colour, facecolors="none", label=label, zorder=3)


def _draw_steps(axes: Axes, steps: Sequence[tuple[int, float]], last: int, style: str, label: str) -> None:
    """Draw a version's figure as a step that goes on until the next one."""
    if not steps:
        return
    numbers, ratios = zip(*[*steps, (max(last, steps[-1][0]), steps[-1][1])], strict=True)
    colour = COLOURS["champion"]
    axes.step(numbers, ratios, where="post", color=colour, linestyle=style, linewidth=1.6, label=label, zorder=4)
    marker = "o" if style == "-" else "."
    axes.plot(numbers[:-1], ratios[:-1], marker, color=colour, markersize=5, zorder=4)


def finish_ratios(axes: Axes) -> None:
    """Give axes of bits by generation their scales, names and grid."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.8), max(high, 1.25))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("generation")
    axes.set_ylabel(f"bits at equal PSNR, {REFERENCE} = 1\n(log scale, less is better)")
    axes.grid(visible=True, color="#dddddd", linewidth=0.7)
