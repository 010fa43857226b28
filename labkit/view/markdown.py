"""The report as Markdown that GitHub and JupyterLab show alike, its charts as PNG files beside it.

GitHub shows no picture that a page carries inside itself (data: addresses), so they are files. The text is that of
the HTML report, piece by piece; code, frames and rate points stay there and in the generations' notebooks.
"""

from pathlib import Path
from urllib.parse import quote

from labkit.campaign import Campaign
from labkit.view.overview import overview
from labkit.view.page import template, write_whole
from labkit.view.plots import plot_rd, png
from labkit.view.reading import read_once
from labkit.view.standing import plot_standing

_DPI = 110
"""Sharper than in a notebook: these pictures go into pages that others lay out."""


def write_markdown(campaign: Campaign, path: Path) -> Path:
    """Write the report to `path` and its charts into the folder `<stem>_files` beside it; return the path."""
    campaign = read_once(campaign)
    charts = {"standing": plot_standing(campaign), "rate_distortion": plot_rd(campaign)}
    folder = path.with_name(f"{path.stem}_files")
    for name, chart in charts.items():
        write_whole(folder / f"{name}.png", png(chart, _DPI))
    pictures = {name: quote(f"{folder.name}/{name}.png") for name in charts}
    told = overview(campaign, campaign.ledger.entries())
    words = template("report.md.jinja").render(**told, pictures=pictures)
    return write_whole(path, words.encode("utf-8"))
