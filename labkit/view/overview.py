"""The report's first screen: how far the champion has come, at what cost, behind which wall."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from labkit.adopt import REFERENCE, versus
from labkit.campaign import Campaign
from labkit.jail import Level
from labkit.ledger import Entry
from labkit.view.code import show_code
from labkit.view.fragment import Fragment, bullets, note, percent, table, text
from labkit.view.reproduce import command, settings_file
from labkit.view.tables import entries_table, show_bd_rates
from labkit.view.truth import show_canaries, show_code_quality, show_goal, show_held_out, show_metrics


def overview(campaign: Campaign, entries: Sequence[Entry]) -> dict[str, object]:
    """Return what the report's template shows before the generations."""
    adopted = [entry for entry in entries if entry.version is not None]
    ledger = campaign.ledger
    return {
        "name": campaign.folder.name,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "answer": _answer(campaign, entries, adopted),
        "progress": _progress(campaign),
        "isolation": show_isolation(campaign),
        "cost": f"{ledger.cost_usd():.2f} USD",
        "outcomes": _outcomes([entry for entry in entries if entry.generation > 0]),
        "alerts": [f"generation {row.generation}, {row.kind}: {row.text}" for row in ledger.alerts()],
        "bd_rates": _bd_rates(campaign, adopted),
        "held_out": show_held_out(campaign),
        "decisions": campaign.held_out_decisions,
        "goal": show_goal(campaign),
        "metrics": show_metrics(campaign),
        "code_quality": show_code_quality(campaign),
        "canaries": show_canaries(campaign),
        "adopted": _adopted_table(campaign, adopted),
        "command": command(campaign.settings, campaign.folder),
        "settings_file": settings_file(campaign.settings),
        "clips": _clips_table(ledger.clips()),
        "versions": table(("what", "version"), ledger.versions().items()),
        "candidates": entries_table(campaign, entries) if entries else note("No candidate is recorded yet."),
        "champion_code": _champion_code(adopted),
    }


def _answer(campaign: Campaign, entries: Sequence[Entry], adopted: Sequence[Entry]) -> str:
    if not adopted:
        return "There is no champion yet: nothing has been adopted."
    champion, start = adopted[-1], adopted[0]
    distance = _distance(campaign, champion)
    if champion is not start and (value := _against(campaign, start)) is not None:
        distance += f"; version {start.version} needed {_change(value)}"
    if (unseen := campaign.held_out_against(champion)) is not None:
        distance += f". On clips that nobody tuned to it needs {_change(unseen)}"
    tried = sum(entry.generation > 0 for entry in entries)
    return f"{distance}. {sum(entry.generation > 0 for entry in adopted)} of {tried} candidates were adopted."


def _distance(campaign: Campaign, champion: Entry) -> str:
    """Return how far the champion is from the reference encoder, in words."""
    value = _against(campaign, champion)
    if value is None:
        return (
            f"The champion, v{champion.version}, has no BD-rate against {REFERENCE} ({_why_none(campaign, champion)})"
        )
    clips = champion.evaluation.clips if champion.evaluation else ()
    mean = f"on average over {len(clips)} clips" if len(clips) > 1 else f"on {clips[0]}"
    return f"The champion, v{champion.version}, needs {_change(value)} bits than {REFERENCE} at equal PSNR {mean}"


def _against(campaign: Campaign, entry: Entry) -> float | None:
    return campaign.against(entry.evaluation) if entry.evaluation else None


def _change(value: float) -> str:
    return f"{abs(value):,.1f} % {'more' if value > 0 else 'fewer'}"


def _why_none(campaign: Campaign, entry: Entry) -> str:
    points = campaign.ledger.anchors().get(REFERENCE)
    if not points:
        return "it was not measured"
    assert entry.evaluation is not None
    reasons = [f"{c.clip}: {c.reason}" for c in versus(entry.evaluation, points, REFERENCE) if c.reason]
    return reasons[0] if reasons else "no clip in common"


def _progress(campaign: Campaign) -> str:
    done, asked = campaign.next_number - 1, campaign.settings.generations
    if campaign.complete:
        return f"complete: {asked} generations after the start"
    return f"not complete: {max(done, 0)} of {asked} generations after the start are recorded"


def show_isolation(campaign: Campaign) -> Fragment:
    """Show the wall that the campaign's candidates ran behind: a red banner if there was none."""
    recorded = [row.isolation for row in campaign.ledger.generations().values()]
    if not recorded:
        return Fragment(note("isolation: nothing has run yet"), "isolation")
    level = Level.of(recorded[-1])
    colours = "border:1px solid #1a7f37" if level.fenced else "background:#b62324;color:#ffffff;font-weight:bold"
    style = f"{colours};padding:6px 12px;border-radius:4px;margin:6px 0;text-align:left"
    words = f"{level.note}; {recorded[-1].partition('(')[2].rstrip(')')}" if level.fenced else level.note
    return Fragment(Markup('<div style="{}">{}</div>').format(Markup(style), text(words)), "isolation")


def _outcomes(entries: Sequence[Entry]) -> str:
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.outcome] = counts.get(entry.outcome, 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "none"


def _bd_rates(campaign: Campaign, adopted: Sequence[Entry]) -> Markup:
    """Return the table of BD-rates against every real encoder: the champion and version 0."""
    anchors = list(campaign.ledger.anchors())
    if not adopted or not anchors:
        return note("No real encoder stands beside an adopted version yet.")
    shown = dict.fromkeys([adopted[-1], adopted[0]])
    rows = [
        (f"v{e.version}", *(percent(campaign.against(e.evaluation, name)) for name in anchors if e.evaluation))
        for e in shown
    ]
    champion = adopted[-1].evaluation
    assert champion is not None
    by_clip = show_bd_rates(campaign, champion).html
    folded = Markup("<details><summary>v{} clip by clip</summary>{}</details>").format(adopted[-1].version, by_clip)
    columns = ("version", *(f"vs {name}" for name in anchors))
    return table(columns, rows, numbers=columns[1:]) + folded


def _adopted_table(campaign: Campaign, adopted: Sequence[Entry]) -> Markup:
    columns = ("version", "generation", "hypothesis", "vs the champion before", f"vs {REFERENCE}")
    rows = [
        (
            f"v{entry.version}",
            Markup('<a href="#generation-{0}">{0}</a>').format(entry.generation),
            entry.candidate.hypothesis,
            percent(entry.verdict.bd_rate_pct if entry.verdict else None),
            percent(_against(campaign, entry)),
        )
        for entry in adopted
    ]
    return table(columns, rows, columns[:2] + columns[3:], prose=("hypothesis",)) if rows else note("None yet.")


def _clips_table(clips: Mapping[str, Any]) -> Markup:
    if not clips:
        return note("No clip is recorded yet.")
    columns = ("clip", "size", "frames", "fps", "matrix", "origin", "changed at import", "hash")
    return table(columns, [
        (row.name, f"{row.width}x{row.height}", row.frames, row.fps, row.matrix, row.origin,
         bullets(row.notes) or "nothing", row.hash[:12])
        for row in clips.values()
    ], numbers=("size", "frames", "fps"))  # fmt: skip


def _champion_code(adopted: Sequence[Entry]) -> Fragment | Markup:
    if not adopted:
        return note("There is no champion yet.")
    return show_code(adopted[-1].candidate.source, f"code of the champion, v{adopted[-1].version}")
