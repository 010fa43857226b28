"""What compression costs in time: encoding and decoding speed against BD-rate, versions beside real encoders."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from labkit.adopt import REFERENCE, mean_bd_rate, versus
from labkit.campaign import Campaign
from labkit.candidate import Evaluation
from labkit.rd import RDPoint
from labkit.view.axes import log_axis, percent_axis
from labkit.view.curves import coders_of
from labkit.view.fragment import Fragment, note, percent, table
from labkit.view.plots import DPI, Chart, message, plain, styles_of

_BYTES_A_PIXEL = 1.5
"""Of 4:2:0 in 8 bits."""
OURS = ("champion", "version")
"""How the labels of the lab's own coders begin."""
_NAMED = 8
"""With more versions than this only the first, the last and every so-manieth carry their name."""

CLOCK = (
    "Speed: megapixels of the clips by seconds of the lab's own clock, all QPs together; candidates run in a jail "
    "of one process beside others, real encoders on one thread."
)


@dataclass(frozen=True)
class Speed:
    """How fast a coder is and what it needs.

    Attributes:
        encode_mpixel_s: luma megapixels a second; `decode_mpixel_s` the same for decoding; None if no time is known.
        bd_rate_pct: mean over development clips against the reference; None where there is no number.
    """

    coder: str
    encode_mpixel_s: float | None
    decode_mpixel_s: float | None
    bd_rate_pct: float | None


def speeds(campaign: Campaign, reference: str = REFERENCE) -> list[Speed]:
    """Return speed and BD-rate of every version and real encoder, on development clips."""
    clips, curves = campaign.ledger.clips(), coders_of(campaign)
    points = {
        label: tuple(point for clip, of_clip in by_clip.items() if clip in clips for point in of_clip)
        for label, by_clip in curves.items()
        if not label.startswith("candidate")
    }
    against = Evaluation(reference, "none", points[reference]).by_clip if points.get(reference) else {}
    return [
        Speed(label, _mpixel_s(of, "encode_s"), _mpixel_s(of, "decode_s"), _bd_rate(label, of, against, reference))
        for label, of in points.items()
        if of
    ]


def _mpixel_s(points: Sequence[RDPoint], seconds: str) -> float | None:
    spent = sum(getattr(point, seconds) for point in points)
    pixels = sum(point.raw_bytes for point in points) / _BYTES_A_PIXEL
    return pixels / 1e6 / spent if spent > 0 and pixels else None


def _bd_rate(
    label: str, points: Sequence[RDPoint], against: dict[str, tuple[RDPoint, ...]], reference: str
) -> float | None:
    if label == reference:
        return 0.0
    return mean_bd_rate(versus(Evaluation(label, "none", tuple(points)), against, reference)) if against else None


def show_speed(campaign: Campaign, reference: str = REFERENCE) -> Fragment:
    """Return speed and BD-rate as a table: megapixels a second, and frames a second of the first clip's size."""
    found = speeds(campaign, reference)
    if not found:
        return Fragment(note("Nothing is measured yet: no speed is known."), "speed")
    first = next(iter(campaign.ledger.clips().values()))
    pixels = first.width * first.height / 1e6
    columns = ("coder", "encode (Mpixel/s)", "encode (frames/s)", "decode (Mpixel/s)", "decode (frames/s)",
               f"BD-rate vs {reference}")  # fmt: skip
    rows = [
        (speed.coder, *(_rate(value, by) for value in (speed.encode_mpixel_s, speed.decode_mpixel_s)
                        for by in (1, pixels)), percent(speed.bd_rate_pct))
        for speed in found
    ]  # fmt: skip
    told = f"{CLOCK} Frames of {first.width}x{first.height}."
    return Fragment(table(columns, rows, numbers=columns[1:]) + note(told), "speed")


def _rate(mpixel_s: float | None, unit: float) -> str:
    return (
        "not known"
        if mpixel_s is None
        else f"{mpixel_s / unit:,.3g}"
        if mpixel_s / unit < 100
        else f"{mpixel_s / unit:,.0f}"
    )


def plot_speed(campaign: Campaign, reference: str = REFERENCE) -> Chart:
    """Draw encoding and decoding speed against BD-rate: right is faster, down is fewer bits."""
    found = [speed for speed in speeds(campaign, reference) if speed.bd_rate_pct is not None]
    if not found:
        return message(f"No coder has a BD-rate against {reference} yet: there is nothing to set its speed against.")
    figure = Chart(figsize=(10.8, 4.6), dpi=DPI)
    figure.set_layout_engine("constrained", w_pad=0.1)
    for axes, what in zip(figure.subplots(1, 2, sharey=True), ("encode", "decode"), strict=True):
        _draw(axes, found, what)
        axes.set_xlabel(f"{what[:-1]}ing speed (megapixels/s, log scale)")
    percent_axis(figure.axes[0])
    figure.axes[0].set_ylabel(f"BD-rate against {reference}\n(% of bits, less is better)")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


def _draw(axes: Axes, found: Sequence[Speed], what: str) -> None:
    placed = [(speed, x, speed.bd_rate_pct or 0.0) for speed in found if (x := getattr(speed, f"{what}_mpixel_s"))]
    ours = [(x, y) for speed, x, y in placed if speed.coder.startswith(OURS)]
    if len(ours) > 1:
        axes.plot(*zip(*ours, strict=True), color="#bbbbbb", linewidth=1, zorder=1)
    styles, named = styles_of(speed.coder for speed in found), _named([s.coder for s, _, _ in placed])
    for speed, x, y in placed:
        style, real = styles[speed.coder], not speed.coder.startswith(OURS)
        axes.plot([x], [y], color=style.colour, marker=style.marker, linestyle="none", markersize=11 if real else 8,
                  markeredgewidth=4 if real else 1, label=plain(speed.coder) if real else None)  # fmt: skip
        if speed.coder in named:
            name = speed.coder.replace("version ", "v")
            lower = name.startswith("champion")  # the version before it is often near
            axes.annotate(plain(name), (x, y), xytext=(8, -14 if lower else 4), textcoords="offset points", fontsize=9)
    axes.set_xscale("log")
    axes.margins(x=0.2)
    log_axis(axes)
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.7)


def _named(coders: Sequence[str]) -> set[str]:
    """Return which versions carry their name in the chart: all of a few, of many every so-manieth."""
    versions = [coder for coder in coders if coder.startswith(OURS)]
    return {*versions[:1], *versions[-1 :: -max(1, len(versions) // _NAMED)]}
