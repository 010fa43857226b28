"""The monitor's widget: follows a campaign that runs elsewhere, and has buttons that stop and resume it."""

import threading
from collections.abc import Callable
from functools import partial

import ipywidgets as widgets
from markupsafe import Markup, escape

from labkit.campaign import Campaign
from labkit.campaign.control import stop
from labkit.errors import LabkitError
from labkit.view.books import Books, Moment, pulse, read_books, read_moment, signature
from labkit.view.fragment import Fragment, note
from labkit.view.monitor_page import recorded, stage, state
from labkit.view.plots import DPI, png
from labkit.view.resuming import resume_run
from labkit.view.timeline import draw_timeline

EVERY_S = 1.0
WIDTH = "980px"
_open: dict[str, "Panel"] = {}


class Panel(widgets.VBox):  # type: ignore[misc]
    """Follows one campaign. `close()` ends it, as does the end of the kernel."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self._head, self._jobs, self._said, self._ledger, self._page = (
            _tagged(widgets.HTML(layout=_wide()), name) for name in ("state", "jobs", "said", "ledger", "report-page")
        )
        self._timeline = _tagged(widgets.Image(format="png", layout=_wide()), "timeline")
        self._stop = self._button("Stop", "stop", "danger", self._stop_it)
        self._resume = self._button("Resume", "resume", "success", self._resume_it)
        self._report = self._button("Show the report", "report", "", self._show_report)
        buttons = widgets.HBox([self._stop, self._resume, self._report], layout=_wide())
        parts = [self._head, buttons, self._said, self._jobs, self._timeline, self._ledger, self._page]
        super().__init__(
            parts, layout=_wide(overflow="visible")
        )  # parts are 4 px wider by their margins: no bar for that
        _tagged(self, "")
        self._seen: tuple[object, ...] = ()
        self._books: Books | None = None
        self._one_at_a_time, self._ended = threading.Lock(), threading.Event()
        self.refresh()
        threading.Thread(target=self._follow, daemon=True, name=f"monitor of {campaign.folder.name}").start()

    def close(self) -> None:
        """End it and take it off the page."""
        self._ended.set()
        for part in self.children:
            part.close()
        super().close()

    def _button(self, words: str, name: str, style: str, act: Callable[[], str]) -> widgets.Button:
        button = widgets.Button(description=words, button_style=style, layout=widgets.Layout(width="150px"))
        # in a thread: a click is handled where cells run, and nothing else would be until the campaign has let go
        button.on_click(lambda _: threading.Thread(target=partial(self._act, button, act), daemon=True).start())
        return _tagged(button, name)

    # --- following ---------------------------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._ended.wait(EVERY_S):
            self.refresh()

    def refresh(self, anew: bool = False) -> None:
        """Show what has changed since the last time; where no file has, nothing is read or sent.

        Args:
            anew: look at everything again, whether or not a file has changed.
        """
        with self._one_at_a_time:
            if anew:
                self._seen, self._books = (), None
            try:
                self._look()
            except LabkitError as error:  # the campaign's folder was moved, or its ledger is damaged: it may come back
                self._said.value = _html(note(str(error)))

    def _look(self) -> None:
        folder = self.campaign.folder
        marks = signature(folder)
        if self._books is None or marks != self._seen[0]:
            self._books = read_books(self.campaign)
            self._ledger.value = _html(recorded(self.campaign, self._books))
            chart = draw_timeline(self._books.turns, self.campaign.settings.generations)
            self._timeline.value = png(chart)
            self._timeline.layout.max_width = f"{chart.get_figwidth() * DPI:.0f}px"
        moment = read_moment(folder)
        seen = (marks, pulse(folder), moment.runner)
        if seen != self._seen:
            self._seen = seen
            self._head.value = _html(state(self.campaign, moment, self._books))
            self._jobs.value = _html(stage(moment, self._books))
            self._enable(moment)

    def _enable(self, moment: Moment) -> None:
        complete = self._books is not None and self._books.done > self.campaign.settings.generations
        self._stop.disabled = moment.runner is None or not moment.runner.ours
        self._resume.disabled = moment.runner is not None or complete

    # --- what a person asks for --------------------------------------------------------------------------

    def _act(self, button: widgets.Button, act: Callable[[], str]) -> None:
        button.disabled = True
        self._said.value = _html(note(f"{button.description} ..."))
        words = "this went wrong inside labkit: see the log of Jupyter"
        try:
            words = act()
        except LabkitError as error:
            words = str(error)
        finally:
            self._tell(words, button)

    def _tell(self, words: str, button: widgets.Button) -> None:
        button.disabled = False
        self.refresh(anew=True)  # so that buttons are what they should be
        self._said.value = _html(note(words)) if words else ""

    def _stop_it(self) -> str:
        return f"{stop(self.campaign.folder)}; it goes on exactly where it was when it is resumed"

    def _resume_it(self) -> str:
        with Campaign.open(self.campaign.folder) as current:  # somebody may have asked for more since
            return str(resume_run(current))

    def _show_report(self) -> str:
        if self._page.value:
            self._page.value, self._report.description = "", "Show the report"
            return ""
        from labkit.view.report import render_report

        with Campaign.open(self.campaign.folder) as current:
            page = escape(render_report(current))
        # without any right of its own: it needs no script and no other page
        look = Markup("box-sizing:border-box;width:100%;height:900px;border:1px solid #888888;background:#ffffff")
        frame = Markup('<iframe sandbox="" style="{}" title="report" srcdoc="{}"></iframe>')
        self._page.value = frame.format(look, page)
        self._report.description = "Hide the report"
        return ""


def open_panel(campaign: Campaign) -> Panel:
    """Return a new panel for a campaign; an older one of the same campaign is closed."""
    key = str(campaign.folder.resolve())
    if (older := _open.pop(key, None)) is not None:
        older.close()
    _open[key] = Panel(campaign)
    return _open[key]


def _tagged(widget: widgets.DOMWidget, name: str) -> widgets.DOMWidget:
    widget.add_class("-".join(filter(None, ("lab-monitor", name))))
    return widget


def _wide(**more: str) -> widgets.Layout:
    return widgets.Layout(width="100%", max_width=WIDTH, **more)


def _html(markup: Markup) -> str:
    body = Markup('<div style="line-height:1.4">{}</div>').format(markup)  # a widget's own lines stand far apart
    return Fragment(body, "monitor")._repr_html_()
