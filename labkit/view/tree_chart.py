"""The family tree as a picture: every candidate at its generation and BD-rate, tied to the version that it met."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from labkit.adopt import REFERENCE
from labkit.campaign import Campaign
from labkit.ledger import Entry
from labkit.view.axes import percent_axis
from labkit.view.node import met_by
from labkit.view.plots import COLOURS, DPI, Chart, message, rated_entries

_NAMED = 12


def plot_lineage(campaign: Campaign, anchor: str = REFERENCE) -> Chart:
    """Draw candidates and versions; what has no figure (failed, or stopped early) stands on a line at the top."""
    entries = campaign.ledger.entries()
    rated = {entry.number: value for entry, value in rated_entries(campaign, anchor)}
    if not rated:
        return message(f"No candidate has a BD-rate against {anchor} yet: the tree is drawn as text alone.")
    figure = Chart(figsize=(10.0, 4.2), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _draw_ties(axes, entries, rated)
    _draw_nodes(axes, entries, rated)
    axes.axhline(0, color=COLOURS.get(anchor, "#0072b2"), linewidth=1.2, label=anchor)
    percent_axis(axes)
    _draw_unrated(axes, [entry for entry in entries if entry.number not in rated])
    axes.set_xlabel("generation")
    axes.set_ylabel(f"BD-rate against\n{anchor} (% of bits, less is better)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, color="#dddddd", linewidth=0.7)
    figure.legend(fontsize=9, frameon=False, loc="outside right upper")
    return figure


def _draw_ties(axes: Axes, entries: Sequence[Entry], rated: dict[int, float]) -> None:
    met = met_by(entries)
    for entry in entries:
        before = met[entry.number]
        if before is not None and entry.number in rated and before.number in rated:
            adopted = entry.version is not None
            colour, width = (COLOURS["champion"], 1.8) if adopted else (COLOURS["candidate"], 0.7)
            ends = (before.generation, entry.generation), (rated[before.number], rated[entry.number])
            axes.plot(*ends, color=colour, linewidth=width, zorder=2 if adopted else 1)


def _draw_nodes(axes: Axes, entries: Sequence[Entry], rated: dict[int, float]) -> None:
    size = 44 if len(entries) <= 100 else 14
    for adopted, label, colour in (
        (True, "version", COLOURS["champion"]),
        (False, "not adopted", COLOURS["candidate"]),
    ):
        of = [e for e in entries if e.number in rated and (e.version is not None) is adopted]
        face = colour if adopted else "#ffffff"
        axes.scatter([e.generation for e in of], [rated[e.number] for e in of], s=size, facecolors=face,
                     edgecolors=colour, linewidths=1.5, zorder=4 if adopted else 3,
                     label=label if of else None)  # fmt: skip
    versions = [entry for entry in entries if entry.version is not None and entry.number in rated]
    for entry in versions[-1 :: -max(1, len(versions) // _NAMED)]:
        axes.annotate(f"v{entry.version}", (entry.generation, rated[entry.number]), xytext=(0, -15),
                      textcoords="offset points", ha="center", fontsize=9)  # fmt: skip


def _draw_unrated(axes: Axes, entries: Sequence[Entry]) -> None:
    """Draw what has no figure on a line at the top, by what became of it."""
    for label, marker, of in (
        ("failed", "X", [entry for entry in entries if entry.outcome == "failed"]),
        ("stopped early, or no figure", "v", [entry for entry in entries if entry.outcome != "failed"]),
    ):
        if of:
            axes.scatter([e.generation for e in of], [0.97] * len(of), s=44, marker=marker, color="#cc79a7",
                         transform=axes.get_xaxis_transform(), clip_on=False, zorder=4, label=label)  # fmt: skip
