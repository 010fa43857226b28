"""The answer: how far the champion has come, on which clips, at what cost, and what an audit says of it."""

import shlex
from collections.abc import Sequence

from markupsafe import Markup

from labkit.adopt import REFERENCE, versus
from labkit.audit import AuditReport, audit
from labkit.campaign import Campaign
from labkit.errors import LabkitError
from labkit.goal import GoalDistance, mean_ratio
from labkit.ledger import Entry
from labkit.settings import ROOT
from labkit.view.audit import show_audit
from labkit.view.fragment import Fragment, note, text

MOST_AUDITED = 150
"""Candidates that a report audits: each takes about 0.15 s, and a report should not take minutes."""

_FACT = "display:inline-block;vertical-align:top;margin:0 22px 4px 0;text-align:left"
_NOT_CHECKED = (
    "Not checked here: that the kept containers decode to these figures (no candidate was run), and that the real "
    "encoders give the same bytes again."
)


def show_answer(campaign: Campaign) -> Fragment:
    """Return the campaign's answer in words, its distance to the goal, and the figures around it."""
    pattern = Markup('<p style="font-size:17px;margin:6px 0;text-align:left">{}</p>')
    facts = Markup("").join(
        Markup('<div style="{}"><div style="font-size:12px;opacity:0.75">{}</div>{}</div>').format(
            Markup(_FACT), text(name), text(value)
        )
        for name, value in facts_of(campaign).items()
    )
    html = pattern.format(text(answer(campaign))) + pattern.format(text(goal_line(campaign)))
    return Fragment(html + Markup("<div>{}</div>").format(facts), "answer")


def facts_of(campaign: Campaign) -> dict[str, str]:
    """Return the short facts of the first screen, by name."""
    entries, asked = campaign.ledger.entries(), campaign.held_out_decisions
    return {
        "campaign": _progress(campaign),
        "candidates after the start": _outcomes([entry for entry in entries if entry.generation > 0]),
        "cost": f"{campaign.ledger.cost_usd():.2f} USD, {_minutes(sum(campaign.ledger.ended().values()))}",
        "held-out clips": f"asked {asked} time{'' if asked == 1 else 's'} for a decision",
        "alerts": str(len(campaign.ledger.alerts()) or "none"),
    }


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def goal_line(campaign: Campaign) -> str:
    """Return the goal and the champion's distance to it, in one line."""
    goal, champion = f"Goal: {campaign.settings.goal}", campaign.champion
    if champion is None:
        return f"{goal}. No version, so no distance."
    distances = campaign.distances(champion)
    ratio = mean_ratio(distances)
    if ratio is not None:
        reached = "it is reached" if ratio <= 1 else "1 or less would reach it"
        return f"{goal}. v{champion.version} needs {ratio:.2f} times that rate, mean over clips; {reached}."
    missing = next((f"{d.clip}: {d.reason}" for d in distances if d.rate_ratio is None), "its anchor was not measured")
    known = known_range(distances).replace(" x (", " times that rate on ").rstrip(")")
    needs = f"needs {known}; elsewhere no figure" if known else "has no distance"
    return f"{goal}. v{champion.version} {needs} ({missing})."


def known_range(distances: Sequence[GoalDistance]) -> str:
    """Return the least and the greatest rate ratio and on how many clips there is one; "" for none."""
    ratios = [found.rate_ratio for found in distances if found.rate_ratio is not None]
    if not ratios:
        return ""
    between = f"{min(ratios):.2f}" if len(ratios) == 1 else f"{min(ratios):.2f}–{max(ratios):.2f}"
    return f"{between} x ({len(ratios)} of {len(distances)} clips)"


def show_checked(campaign: Campaign) -> Fragment:
    """Audit what is kept without running a candidate; return what was found, and what was not looked at."""
    return show_findings(check(campaign), campaign)


def check(campaign: Campaign) -> AuditReport | str:
    """Audit what is kept as far as no candidate has to run (seconds); why not, where that is not done."""
    if (count := len(campaign.ledger.entries())) > MOST_AUDITED:
        return f"not made for a report of {count} candidates, since it takes minutes"
    try:
        return audit(campaign.folder, decode=False)
    except LabkitError as error:
        return f"could not be made: {error}"


def show_findings(found: AuditReport | str, campaign: Campaign) -> Fragment:
    """Return the lists of an audit made by `check`, and the command for the whole of it."""
    if isinstance(found, str):
        return Fragment(note(f"Audit: {found}. The command for it: {audit_command(campaign)}"), "no audit")
    rest = note(f"{_NOT_CHECKED} The whole audit: {audit_command(campaign)}")
    return Fragment(show_audit(found).html + rest, f"audit: {found.summary}")


def audit_line(found: AuditReport | str, campaign: Campaign) -> str:
    """Return the result of `check` in one line that claims no more than was looked at."""
    if isinstance(found, str):
        return f"audit: {found}; {audit_command(campaign)}"
    proven, stated, failed = found.summary.split(", ")
    counts = f"{proven.split()[1]} things derived again alike, {stated.split()[1]} only stated, "
    result = "nothing failed" if found.passed else f"{failed.split()[1]} FAILED"
    return f"audit of what is kept, no bitstream decoded: {counts}{result}; the rest: {audit_command(campaign)}"


def audit_command(campaign: Campaign) -> str:
    """Return the command that audits all of the campaign."""
    folder = campaign.folder.resolve()
    return shlex.join(["./lab", "audit", folder.name if folder.parent == ROOT / "runs" else str(folder), "--anchors"])


def answer(campaign: Campaign) -> str:
    """Return what the campaign has come to, in two or three sentences."""
    entries = campaign.ledger.entries()
    adopted = [entry for entry in entries if entry.version is not None]
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


def _outcomes(entries: Sequence[Entry]) -> str:
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.outcome] = counts.get(entry.outcome, 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "none"
