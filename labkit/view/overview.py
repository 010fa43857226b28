"""What the report's page shows before its diary: the answer, the wall, the audit, the tables."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from labkit.adopt import REFERENCE
from labkit.audit import AuditReport
from labkit.campaign import Campaign
from labkit.jail import Level
from labkit.ledger import Entry
from labkit.view.answer import answer, audit_line, check, facts_of, goal_line, show_findings
from labkit.view.code import show_code
from labkit.view.diary import show_diary
from labkit.view.fragment import Fragment, bullets, note, percent, table, text
from labkit.view.reproduce import command, settings_file
from labkit.view.standing import show_standing
from labkit.view.tables import entries_table, show_bd_rates
from labkit.view.truth import show_canaries, show_code_quality, show_goal, show_held_out, show_metrics


def overview(campaign: Campaign, entries: Sequence[Entry]) -> dict[str, object]:
    """Return what the report's templates show besides the generations' details."""
    adopted = [entry for entry in entries if entry.version is not None]
    ledger, found = campaign.ledger, check(campaign)
    return {
        "name": campaign.folder.name,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "answer": answer(campaign),
        "goal_line": goal_line(campaign),
        "isolation": show_isolation(campaign),
        "audited": _audited(found, campaign),
        "alerts": [f"generation {row.generation}, {row.kind}: {row.text}" for row in reversed(ledger.alerts())],
        "facts": facts_of(campaign),
        "cost": f"{ledger.cost_usd():.2f} USD",
        "standing": show_standing(campaign),
        "bd_rates": _bd_rates(campaign, adopted),
        "held_out": show_held_out(campaign),
        "goal": show_goal(campaign),
        "metrics": show_metrics(campaign),
        "code_quality": show_code_quality(campaign),
        "canaries": show_canaries(campaign),
        "adopted": _adopted_table(campaign, adopted),
        "diary": show_diary(campaign),
        "audit": show_findings(found, campaign),
        "command": command(campaign.settings, campaign.folder),
        "settings_file": settings_file(campaign.settings),
        "clips": _clips_table(ledger.clips()),
        "versions": table(("what", "version"), ledger.versions().items(), prose=("version",)),
        "candidates": entries_table(campaign, entries) if entries else note("No candidate is recorded yet."),
        "champion_code": _champion_code(adopted),
    }


def _audited(found: AuditReport | str, campaign: Campaign) -> Markup:
    if isinstance(found, str):
        return _banner(audit_line(found, campaign), "border:1px solid #8a5a00")
    return _banner(audit_line(found, campaign), _GREEN if found.passed else _RED)


_GREEN, _RED = "border:1px solid #1a7f37", "background:#b62324;color:#ffffff;font-weight:bold"


def _banner(words: str, colours: str) -> Markup:
    style = f"{colours};padding:6px 12px;border-radius:4px;margin:6px 0;text-align:left;overflow-wrap:anywhere"
    return Markup('<div style="{}">{}</div>').format(Markup(style), text(words))


def show_isolation(campaign: Campaign) -> Fragment:
    """Show the wall that the campaign's candidates ran behind: a red banner if there was none."""
    recorded = [row.isolation for row in campaign.ledger.generations().values()]
    if not recorded:
        return Fragment(note("isolation: nothing has run yet"), "isolation")
    level = Level.of(recorded[-1])
    words = f"{level.note}; {recorded[-1].partition('(')[2].rstrip(')')}" if level.fenced else level.note
    return Fragment(_banner(words, _GREEN if level.fenced else _RED), "isolation")


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
            percent(campaign.against(entry.evaluation) if entry.evaluation else None),
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
