"""What the terminal shows: tables and progress bars."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.box import HORIZONTALS
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from labkit.adopt import REFERENCE
from labkit.campaign import Campaign
from labkit.jail import Wall
from labkit.jail.wire import printable
from labkit.ledger import Entry
from labkit.progress import read_progress, watching
from labkit.rd import RDPoint

_LONGEST = 1_000_000
"""Characters of one text that are shown: more than any source that passes the check."""


class _Terminal(Console):
    """A console to which words of others do nothing: control and direction characters are shown, never sent."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, plain strings with what cannot be seen as escapes."""
        super().print(*(printable(o, _LONGEST) if isinstance(o, str) else o for o in objects), **options)


out = _Terminal(highlight=False, emoji=False)
err = _Terminal(stderr=True, highlight=False, emoji=False)

_STYLES = {"adopted": "green", "rejected": "yellow", "failed": "red"}
_POLL_S = 0.25


class _Rate(ProgressColumn):
    """Rate points a second."""

    def render(self, task: Task) -> Text:
        """Return the speed, or nothing before there is one."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn(), _Rate(),
        TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip


@contextlib.contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar on a terminal while the block runs; give the function that moves it."""
    with _bar() as bar:
        task = bar.add_task(label, total=None)

        def move(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=printable(f"{label}: {what}"))

        yield move


def show_wall(wall: Wall) -> None:
    """Print what candidates run behind; red if it is nothing."""
    err.print(wall.note, style="" if wall.level.fenced else "bold white on red", markup=False, soft_wrap=True)


@contextlib.contextmanager
def following(folder: Path, generation: int) -> Iterator[None]:
    """Show how far a generation has come while another process runs it."""
    began = time.time()
    shown = 0

    def tell(state: dict[str, Any]) -> None:
        nonlocal shown
        for line in state["said"][shown:]:
            err.print(f"generation {generation}: {line}", markup=False, soft_wrap=True)
        shown = len(state["said"])

    with _bar() as bar:
        task = bar.add_task(f"generation {generation}", total=None)

        def look() -> None:
            state = read_progress(folder)
            if state and state["generation"] == generation and state["started"] >= began:  # not a killed one's
                tell(state)
            if state and state["generation"] == generation and state["jobs"]:
                jobs = state["jobs"]
                busy = [f"{name}: {job['what']}" for name, job in jobs.items() if job["done"] < job["total"]]
                done, total = (sum(job[key] for job in jobs.values()) for key in ("done", "total"))
                words = printable(f"generation {generation} {'; '.join(busy[:2])}")
                bar.update(task, completed=done, total=total, description=words)

        with watching(look, _POLL_S):
            yield


def percent(value: float | None) -> str:
    """Return a change in percent, or a dash where there is no number."""
    return "-" if value is None else f"{value:+.1f} %"


def campaign_table(campaign: Campaign) -> Table:
    """Return one line for each candidate."""
    name = _literal(campaign.folder.name)
    table = Table(
        title=f"{name}: percent of bits at equal PSNR (BD-rate, negative is better); x265: {REFERENCE}; "
        f"held out: the champion on other clips, asked {campaign.held_out_decisions} times for a decision",
        title_justify="left", box=HORIZONTALS, show_lines=True,
    )  # fmt: skip
    for name in ("gen", "no"):
        table.add_column(name, justify="right")
    table.add_column("ver", no_wrap=True)
    for name in ("champion", "held out", "x265"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("hypothesis, then the reason of the verdict", ratio=1)
    for entry in campaign.ledger.entries():
        table.add_row(*_cells(campaign, entry))
    return table


def _cells(campaign: Campaign, entry: Entry) -> list[Text]:
    verdict = entry.verdict
    against_x265 = campaign.against(entry.evaluation) if entry.evaluation else None
    cells = [
        str(entry.generation),
        str(entry.number),
        "" if entry.version is None else f"v{entry.version}",
        percent(verdict.bd_rate_pct if verdict else None),
        percent(campaign.held_out_gain(entry)),
        percent(against_x265),
    ]
    style = _STYLES.get(entry.outcome, "")
    words = Text(shortened(entry.candidate.hypothesis, 75))
    words.append("\n" + shortened("; ".join(verdict.reasons) if verdict else "", 100), style=style)
    return [*map(Text, cells), Text(entry.outcome, style=style), words]


def shortened(text: str, limit: int) -> str:
    """Return `text` on one line that can be shown, cut between words to about `limit` characters."""
    flat = printable(" ".join(text.split()))
    return flat if len(flat) <= limit else flat[:limit].rsplit(" ", 1)[0] + " ..."


def _literal(text: str) -> str:
    """Return `text` for where rich looks for markup: what it says is shown, nothing that it asks for is done."""
    return escape(printable(text))


def points_table(points: Sequence[RDPoint], title: str) -> Table:
    """Return one line for each rate point."""
    words = f"{_literal(title)}: PSNR and worst 16x16 block in dB"
    table = Table(title=words, title_justify="left", box=HORIZONTALS, padding=(0, 1, 0, 0))
    table.add_column("clip", overflow="fold")
    for name in ("QP", "bytes", "kbps", "PSNR", "PSNR-Y", "SSIM", "worst", "encode s", "decode s"):
        table.add_column(name, justify="right", no_wrap=True)
    for p in points:
        table.add_row(
            _literal(p.clip), str(p.qp), f"{p.bytes:,}", f"{p.rate_kbps:.1f}", f"{p.psnr_db:.2f}", f"{p.psnr_y_db:.2f}",
            f"{p.ssim:.4f}", f"{p.worst_block_db:.1f}", f"{p.encode_s:.2f}", f"{p.decode_s:.2f}",
        )  # fmt: skip
    return table
