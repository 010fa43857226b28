"""Controls for a person who sits before the notebook; elsewhere a line that says what the pictures show instead."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from labkit.adopt import REFERENCE
from labkit.campaign import Campaign
from labkit.jail.wire import printable
from labkit.ledger import HELD_OUT_ROLE, Entry
from labkit.rd import METRICS
from labkit.view.bits import draw_bits
from labkit.view.curves import clips_of, coders_of, comparison, usual_coders
from labkit.view.fragment import Fragment, image, note
from labkit.view.node import difference, met_by, name_of, whole_entry
from labkit.view.plots import DPI, Curves, png
from labkit.view.presence import attended

if TYPE_CHECKING:
    import ipywidgets

STILL = "Controls appear here when the notebook runs in JupyterLab; the pictures and tables below show the same."


def explore_rd(campaign: Campaign) -> "ipywidgets.VBox | Fragment":
    """Return curves with controls: clip, metric, coders; BD-rates of any two; where a coder's bytes go."""
    curves = coders_of(campaign)
    if not curves:
        return Fragment(note("Nothing is measured yet: there is no curve to look at."), "curves")
    if not attended():
        return Fragment(note(STILL), "curves")
    return rd_controls(curves, set(campaign.ledger.clips(HELD_OUT_ROLE)))


def rd_controls(curves: Curves, held_out: set[str]) -> "ipywidgets.VBox":
    """Return the controls behind `explore_rd`."""
    import ipywidgets as w

    from labkit.view.hover import HoverCurves, hover_data

    clip = dropdown("clip", _clip_names(curves, held_out), "lab-clip")
    metric = dropdown("metric", [(shown, name) for name, shown in METRICS.items()], "lab-metric")
    coders = w.SelectMultiple(options=list(curves), value=usual_coders(curves), rows=min(14, len(curves)),
                              layout=w.Layout(width="220px"))  # fmt: skip
    coders.add_class("lab-coders")
    test = dropdown("test", list(curves), "lab-test")
    reference = dropdown("against", list(curves), "lab-reference")
    reference.value = REFERENCE if REFERENCE in curves else next(iter(curves))
    chart = HoverCurves(layout=w.Layout(width="770px"))
    chart.add_class("lab-rd-chart")
    table, bits = w.HTML(), w.HTML()
    table.add_class("lab-bd-table")
    bits.add_class("lab-bits")

    def redraw() -> None:
        chart.chart = hover_data({label: curves[label] for label in coders.value}, clip.value, metric.value)

    def compare() -> None:
        table.value = html(comparison(curves, test.value, reference.value, held_out))

    def spend() -> None:
        drawn = draw_bits(curves, test.value, (clip.value,))
        bits.value = image(png(drawn), f"where the bits of {test.value} go", round(drawn.get_figwidth() * DPI))

    on(redraw, clip, metric, coders)
    on(compare, test, reference)
    on(spend, test, clip)
    side = w.VBox([w.HTML("<b>coders</b>: ctrl or shift for several"), coders], layout=w.Layout(width="240px"))
    return w.VBox(
        [w.HBox([clip, metric]), w.HBox([chart, side]), w.HBox([test, reference]), table, bits],
        layout=w.Layout(width="100%"),
    )


def _clip_names(curves: Curves, held_out: set[str]) -> list[tuple[str, str]]:
    return [(printable(f"{clip} (held out)" if clip in held_out else clip, 80), clip) for clip in clips_of(curves)]


def dropdown(description: str, options: Sequence[Any], tag: str, width: str = "340px") -> Any:
    """Return a drop-down that tests find by its class."""
    import ipywidgets as w

    made = w.Dropdown(options=options, description=description, layout=w.Layout(width=width))
    made.add_class(tag)
    return made


def on(act: Callable[[], None], *widgets: Any) -> None:
    """Let something happen now, and whenever one of the widgets has another value."""
    for widget in widgets:
        widget.observe(lambda change: act(), names="value")
    act()


def html(markup: Markup) -> str:
    """Return what an HTML widget shows, as a cell's value would show it: the widget's own lines stand far apart."""
    return Fragment(Markup('<div style="line-height:1.45">{}</div>').format(markup), "")._repr_html_()


def explore_lineage(campaign: Campaign) -> "ipywidgets.VBox | Fragment":
    """Return controls that show all of any candidate, and the code of any two side by side."""
    entries = campaign.ledger.entries()
    if not entries:
        return Fragment(note("Nothing is recorded yet: there is no candidate to look at."), "lineage")
    return lineage_controls(campaign, entries) if attended() else Fragment(note(STILL), "lineage")


def lineage_controls(campaign: Campaign, entries: Sequence[Entry]) -> "ipywidgets.VBox":
    """Return the controls behind `explore_lineage`."""
    import ipywidgets as w

    names, met = [(_entry_name(entry), entry.number) for entry in reversed(entries)], met_by(entries)
    latest = next((entry for entry in reversed(entries) if entry.version is not None), entries[-1])
    node, left, right = (
        dropdown(label, names, f"lab-{tag}", "720px")
        for label, tag in (("look at", "entry"), ("left", "left"), ("right", "right"))
    )
    node.value = right.value = latest.number
    left.value = (met[latest.number] or entries[0]).number
    whole = w.Checkbox(value=False, description="whole programs: unchanged lines too", indent=False)
    whole.add_class("lab-whole")  # a thousand lines take half a second to highlight, send and lay out
    shown, diff = w.HTML(layout=w.Layout(width="98%")), w.HTML(layout=w.Layout(width="98%"))
    shown.add_class("lab-entry-shown")
    diff.add_class("lab-diff")

    def show() -> None:
        shown.value = html(whole_entry(campaign, entries[node.value], met[node.value], whole.value))

    def compare() -> None:
        diff.value = html(difference(entries[left.value], entries[right.value], whole.value).html)

    on(show, node, whole)
    on(compare, left, right, whole)
    return w.VBox([node, whole, shown, left, right, diff], layout=w.Layout(width="100%"))


def _entry_name(entry: Entry) -> str:
    words = printable(" ".join(entry.candidate.hypothesis.split()), 70)
    return f"{name_of(entry)}, gen {entry.generation}, {entry.outcome}: {words}"
