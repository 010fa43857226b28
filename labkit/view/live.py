"""A campaign as it runs: followed from outside, or run in a notebook's cell that may be interrupted at any moment."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from labkit.campaign import Campaign
from labkit.errors import LabkitError
from labkit.jail.wire import printable
from labkit.progress import watching
from labkit.view.books import read_moment
from labkit.view.fragment import Fragment, percent
from labkit.view.monitor_page import jobs, show_monitor
from labkit.view.presence import attended

EVERY_S = 0.25
_LONGEST = 160
Show = Callable[[Mapping[str, Any]], None]


def monitor(campaign: Campaign) -> Any:
    """Return a widget that follows a campaign run elsewhere; where nobody sits, a picture of this moment.

    The widget shows what changes once a second and has buttons that stop and resume the campaign. `close()` ends
    it; so does the kernel's end, or a newer widget for the same campaign.
    """
    if not attended():
        return show_monitor(campaign)
    from labkit.view.panel import open_panel  # ipywidgets take time that a kernel without a person need not spend

    return open_panel(campaign)


def run_campaign(campaign: Campaign) -> None:
    """Run what is left of a campaign in this cell: with moving bars where somebody sits, else with a line for each job.

    An interrupted cell goes on from there when it is run again.
    """
    left = range(campaign.next_number, campaign.settings.generations + 1)
    if not left:
        print(f"{campaign.folder.name} is complete: nothing is left to run")
        return
    try:
        with _shown(campaign, _bars() if attended() else _lines()):
            for number in left:
                campaign.generation(number)
                _tell(campaign, number)
        print(f"{campaign.folder.name} is complete")
    except LabkitError as error:
        print(f"labkit: {error}")


@contextmanager
def _shown(campaign: Campaign, show: Show) -> Iterator[None]:
    """Show the progress of the block, which this very thread runs so that an interrupt reaches it."""
    began = time.time()

    def look() -> None:
        progress = read_moment(campaign.folder).progress
        if progress is not None and progress["started"] >= began:  # not what a killed process left
            show(progress)

    with watching(look, EVERY_S):
        yield


def _bars() -> Show:
    """Return what moves bars under the cell."""
    import ipywidgets as widgets
    from IPython.display import display

    page = widgets.HTML(layout=widgets.Layout(width="100%", max_width="980px"))
    page.add_class("lab-live")
    display(page)  # type: ignore[no-untyped-call]

    def show(progress: Mapping[str, Any]) -> None:
        html = Fragment(jobs(progress), "progress")._repr_html_()
        if page.value != html:
            page.value = html

    return show


def _lines() -> Show:
    """Return what prints each job once, when it is done."""
    told: set[tuple[int, str]] = set()

    def show(progress: Mapping[str, Any]) -> None:
        number = progress["generation"]
        for name, job in progress["jobs"].items():
            if job["done"] == job["total"] and (number, name) not in told:
                told.add((number, name))
                print(printable(f"generation {number}, {name}: {job['what']}", _LONGEST))

    return show


def _tell(campaign: Campaign, number: int) -> None:
    """Print the verdicts of a generation."""
    for entry in campaign.recorded(number).entries:
        assert entry.verdict is not None
        against = percent(campaign.against(entry.evaluation) if entry.evaluation else None)
        reason = printable("; ".join(entry.verdict.reasons), _LONGEST)
        print(f"generation {number}, candidate {entry.number}: {entry.outcome}, x265 {against}: {reason}")
