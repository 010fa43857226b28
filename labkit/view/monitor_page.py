"""How a campaign goes, on one screen: who runs it, what is done now, verdicts, alerts, money, the goal."""

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

from markupsafe import Markup

from labkit.adopt import REFERENCE
from labkit.campaign import Campaign
from labkit.goal import GoalDistance, mean_ratio
from labkit.ledger import Entry
from labkit.view.books import Books, Moment, clock, read_books, read_moment
from labkit.view.fragment import Fragment, bullets, chip, image, note, percent, table, text
from labkit.view.plots import DPI, png
from labkit.view.timeline import draw_timeline

BARS, TURNS, VERDICTS, ALERTS, SAID = 6, 8, 6, 5, 3
"""How many of each are shown: the latest."""
HYPOTHESIS = 160
"""Characters of one that are shown."""
_GREY = "rgba(127,127,127,0.25)"
_STAGES = (
    ("canaries", "programs of known result"),
    ("proposer", "proposals"),
    ("confirmation", "confirming from a fresh process"),
    ("robustness", "odd clips"),
    ("held-out clips", "held-out clips"),
    ("goal", "distance to the goal"),
    ("VMAF", "VMAF"),
    (" on ", "real encoders"),
    ("candidate", "measuring candidates"),
)
"""What a job's name holds, and the stage that it belongs to; the first that fits."""


def show_monitor(campaign: Campaign) -> Fragment:
    """Show how a campaign goes at this moment; nothing is written and nobody who runs it is held up."""
    moment, books = read_moment(campaign.folder), read_books(campaign)
    chart = draw_timeline(books.turns, campaign.settings.generations)
    picture = image(png(chart), "each generation as a bar as long as it took", round(chart.get_figwidth() * DPI))
    html = state(campaign, moment, books) + stage(moment, books) + picture + recorded(campaign, books)
    return Fragment(html, f"monitor of {campaign.folder.name}")


# --- what changes all the time ------------------------------------------------------------------------------


def state(campaign: Campaign, moment: Moment, books: Books) -> Markup:
    """Return who runs the campaign, and how many of its generations are complete."""
    asked = campaign.settings.generations
    done = max(books.done - 1, 0)
    begun = "" if books.done else "; the start is not measured yet"
    words = Markup("{} <b>{}</b> {}").format(
        chip(_standing(campaign, moment, books)), text(campaign.folder.name), text(_who(moment))
    )
    line = Markup('<p style="margin:4px 0;text-align:left;font-size:15px">{}</p>').format(words)
    more = f" and {done - asked} more" if done > asked else ""  # a person's own
    return line + bar(min(done, asked), asked, f"{min(done, asked)} of {asked} generations are complete{more}{begun}")


def _standing(campaign: Campaign, moment: Moment, books: Books) -> str:
    if moment.runner:
        return "running"
    if books.done > campaign.settings.generations:
        return "complete"
    return "paused" if books.done and campaign.pausing(books.done - 1) else "stopped"


def _who(moment: Moment) -> str:
    if moment.runner is None:
        last = f"; last sign of life {clock(moment.progress['at'])}" if moment.progress else ""
        return f"nobody runs it{last}"
    whose = "" if moment.runner.ours else ", of another user"
    return f"process {moment.runner.pid}{whose}, since {clock(moment.runner.since)}"


def stage(moment: Moment, books: Books) -> Markup:
    """Return what is being done now, with a bar for each job; where a campaign broke off, if it did."""
    progress = moment.progress
    if progress is None:
        return note("No generation has told its progress yet.")
    number = progress["generation"]
    ended = any(turn.number == number and turn.ended is not None for turn in books.turns)
    if moment.runner is None:
        return Markup("") if ended else note(f"Generation {number} is not complete: it goes on from here when resumed.")
    if ended:
        return note(f"Generation {number} is complete; the next one, or the report, begins.")
    if progress["at"] < moment.runner.since:
        return note(f"Process {moment.runner.pid} begins; generation {number} goes on where another process left it.")
    return jobs(progress)


def jobs(progress: Mapping[str, Any]) -> Markup:
    """Return the jobs of a generation under way, each with a bar, and what was said last."""
    known: Mapping[str, Any] = progress["jobs"]
    busy = {name: job for name, job in known.items() if job["done"] < job["total"]}
    stages = ", ".join(dict.fromkeys(_stage_of(name) for name in busy)) or "every job so far is done"
    head = f"Generation {progress['generation']}, since {clock(progress['started'])}: {stages}"
    rows = [
        bar(job["done"], job["total"], f"{name}: {job['what']} ({job['done']} of {job['total']})")
        for name, job in list(busy.items())[:BARS]
    ]
    more = [note(f"and {len(busy) - BARS} more jobs")] if len(busy) > BARS else []
    finished = [note(f"jobs of it that are done: {len(known) - len(busy)}")] if len(known) > len(busy) else []
    return _heading(head) + Markup("").join([*rows, *more, *finished]) + bullets(progress["said"][-SAID:])


def _stage_of(job: str) -> str:
    return next((name for part, name in _STAGES if part in job), job)


def bar(done: int, total: int, words: str) -> Markup:
    """Return a progress bar with its words beside it."""
    share = min(max(100 * done / total, 0), 100) if total else 0
    track = f"background-color:{_GREY};width:220px;height:10px;display:inline-block;border-radius:5px;margin-right:10px"
    filled = f"background-color:#0072b2;width:{share:.0f}%;height:10px;border-radius:5px"
    pattern = '<div style="margin:3px 0;text-align:left"><div style="{}"><div style="{}"></div></div>{}</div>'
    return Markup(pattern).format(track, filled, text(words))


# --- what is recorded ---------------------------------------------------------------------------------------


def recorded(campaign: Campaign, books: Books) -> Markup:
    """Return what the ledger tells: how far it has come, money, alerts, the last verdicts and generations."""
    return (
        _heading("How far it has come") + _distance(campaign, books) + _heading("Money") + _money(campaign, books)
        + _heading(f"Alerts: {len(books.alerts) or 'none'}") + _alerts(books.alerts)
        + _heading("Last verdicts") + _verdicts(books.latest) + _heading("Last generations") + _turns(books)
    )  # fmt: skip


def _heading(words: str) -> Markup:
    style = "font-weight:bold;margin:12px 0 2px 0;text-align:left"
    return Markup('<div style="{}">{}</div>').format(Markup(style), text(words))


def _distance(campaign: Campaign, books: Books) -> Markup:
    if books.champion is None:
        return note("There is no champion yet: nothing has been adopted.")
    shown = [books.champion, *([books.start] if books.start and books.champion.version else [])]
    found = [campaign.distances(entry) for entry in shown]
    rows = [
        (f"v{entry.version}", entry.generation, percent(_against(campaign, entry)), *_ratios(distances))
        for entry, distances in zip(shown, found, strict=True)
    ]
    columns = ("version", "generation", f"vs {REFERENCE}", "rate (goal: 1)", "clips that reach it")
    missing = {f"{d.clip}: {d.reason}" for d in found[0] if d.rate_ratio is None and not d.reached}
    why = [] if found[0] else [f"no distance: {campaign.settings.goal.anchor} was not measured"]
    return (
        table(columns, rows, columns[1:]) + note(f"Goal: {campaign.settings.goal}.") + bullets([*why, *sorted(missing)])
    )


def _against(campaign: Campaign, entry: Entry) -> float | None:
    return campaign.against(entry.evaluation) if entry.evaluation else None


def _ratios(distances: Sequence[GoalDistance]) -> tuple[str, str]:
    mean = mean_ratio(distances)
    reached = f"{sum(one.reached for one in distances)} of {len(distances)}" if distances else "–"
    return "–" if mean is None else f"{mean:.2f} x", reached


def _money(campaign: Campaign, books: Books) -> Markup:
    budget, spent = campaign.settings.budget_usd, books.spent_usd
    unpriced = f"; {books.unpriced} answers have no known price" if books.unpriced else ""
    if budget is None:
        return note(f"{spent:.4f} USD spent; no budget was set{unpriced}")
    share = round(100 * spent / budget)
    words = f"{spent:.4f} of {budget:.2f} USD spent, {budget - spent:.4f} left{unpriced}"
    return bar(share, 100, words)


def _alerts(alerts: Sequence[Any]) -> Markup:
    older = [note(f"and {len(alerts) - ALERTS} older ones")] if len(alerts) > ALERTS else []
    latest = [f"generation {row.generation}, {row.kind}: {row.text}" for row in reversed(alerts[-ALERTS:])]
    return bullets(latest) + Markup("").join(older)


def _verdicts(entries: Sequence[Entry]) -> Markup:
    judged = [entry for entry in entries if entry.verdict is not None][-VERDICTS:]
    if not judged:
        return note("There is no verdict yet.")
    columns = ("gen", "no", "vs champion", "verdict", "hypothesis", "reason")
    return table(columns, [_verdict(entry) for entry in reversed(judged)], columns[:3], prose=columns[4:])


def _verdict(entry: Entry) -> tuple[object, ...]:
    assert entry.verdict is not None
    first, *more = entry.verdict.reasons or ("no reason given",)
    reason = first.partition("\n")[0] + (f" (and {len(more)} more)" if more else "")
    version = "" if entry.version is None else f" v{entry.version}"
    hypothesis = shorten(entry.candidate.hypothesis or "(none given)", HYPOTHESIS, placeholder=" ...")
    return (
        entry.generation, entry.number, percent(entry.verdict.bd_rate_pct), chip(entry.outcome) + version,
        hypothesis, reason,
    )  # fmt: skip


def _turns(books: Books) -> Markup:
    if not books.turns:
        return note("No generation has begun yet.")
    columns = ("generation", "began", "ended", "took (s)", "candidates")
    rows = [
        (
            turn.number,
            clock(turn.began),
            clock(turn.ended) if turn.ended is not None else "not complete",
            f"{turn.wall_s:.1f}" if turn.ended is not None else "–",
            ", ".join(f"{count} {word}" for word, count in turn.outcomes.items()) or "none yet",
        )
        for turn in reversed(books.turns[-TURNS:])
    ]
    older = len(books.turns) - TURNS
    return table(columns, rows, columns[:4]) + (
        note(f"{older} earlier ones: see the chart") if older > 0 else Markup("")
    )
