"""The family tree: versions along the trunk, and on each what it beat; a line opens to all that is known of it."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from labkit.campaign import Campaign
from labkit.ledger import Entry
from labkit.view.fragment import Fragment, chip, note, percent, text
from labkit.view.node import counted, met_by, whole_entry
from labkit.view.tables import reasons

OPEN_VERSIONS = 6
"""The newest versions, whose branches lie open; older ones are folded by the fifty."""
OPEN_BRANCHES = 8
"""Candidates shown on one version; when it met more, the earlier ones are folded."""
FOLD = 50
WHOLE = 6
"""The newest candidates that carry what they changed and what was asked; older ones say how to see it."""
_LONGEST = 160

_TRUNK = "border-left:3px solid rgba(127,127,127,0.7);padding:2px 0 2px 12px;margin:0 0 0 4px;text-align:left"
_BRANCH = "border-left:1px dashed rgba(127,127,127,0.7);padding-left:12px;margin:2px 0 4px 22px"
_BODY = "margin:4px 0 10px 14px;padding:6px 10px;border:1px solid rgba(127,127,127,0.35);border-radius:4px"
_SUMMARY = "cursor:pointer;padding:2px 0;line-height:1.5"


def show_lineage(campaign: Campaign, whole: int = WHOLE) -> Fragment:
    """Return versions and, hanging off each, the candidates that met it and were not adopted.

    Args:
        whole: the newest candidates that carry their change, prompt and answer; all others carry their reasons.
    """
    entries = campaign.ledger.entries()
    title = f"lineage of {campaign.folder.name}"
    if not entries:
        return Fragment(note("Nothing is recorded yet: the tree has no root."), title)
    met = met_by(entries)
    lines = {entry.number: _line(entry, _body(campaign, entry, met, len(entries) - whole)) for entry in entries}
    branches: dict[int | None, list[Entry]] = {}
    for entry in entries:
        if entry.version is None:
            before = met[entry.number]
            branches.setdefault(before.version if before else None, []).append(entry)
    trunk = [(entry, lines[entry.number], _branch(branches.get(entry.version, ()), lines))
             for entry in entries if entry.version is not None]  # fmt: skip
    start = _branch(branches.get(None, ()), lines)
    return Fragment(note(_summary(campaign, entries)) + start + _trunk(trunk), title)


def _summary(campaign: Campaign, entries: Sequence[Entry]) -> str:
    state = "complete" if campaign.complete else f"generation {campaign.next_number} is not complete or not begun"
    return (
        f"{counted(entries)}; {state} ({campaign.settings.generations} generations were asked for). "
        "Each line opens; percent is the rate at equal PSNR against the version that it met, negative is better."
    )


def _trunk(trunk: Sequence[tuple[Entry, Markup, Markup]]) -> Markup:
    """Return the versions from the oldest to the newest, old ones folded."""
    if not trunk:
        return note("Nothing was adopted: the tree has no trunk yet.")
    old, new = trunk[:-OPEN_VERSIONS], trunk[-OPEN_VERSIONS:]
    parts = [_folded(old[start : start + FOLD]) for start in range(0, len(old), FOLD)]
    parts += [_trunk_piece(line + branch) for _, line, branch in new]
    return Markup("").join(parts)


def _folded(trunk: Sequence[tuple[Entry, Markup, Markup]]) -> Markup:
    first, last = trunk[0][0], trunk[-1][0]
    inner = Markup("").join(line + branch for _, line, branch in trunk)
    words = f"v{first.version} to v{last.version}, generations {first.generation} to {last.generation}"
    pattern = Markup('<details class="lab-old"><summary style="{}">{}</summary>{}</details>')
    return _trunk_piece(pattern.format(_SUMMARY, words, inner))


def _trunk_piece(inner: Markup) -> Markup:
    return Markup('<div style="{}">{}</div>').format(_TRUNK, inner)


def _branch(entries: Sequence[Entry], lines: dict[int, Markup]) -> Markup:
    """Return the candidates that met one version, indented; all but the last few of many are folded."""
    if not entries:
        return Markup("")
    early, late = entries[:-OPEN_BRANCHES], entries[-OPEN_BRANCHES:]
    inner = Markup("")
    if early:
        pattern = Markup('<details><summary style="{}">{} earlier candidates that met it</summary>{}</details>')
        inner += pattern.format(_SUMMARY, len(early), _joined(early, lines))
    return Markup('<div style="{}">{}</div>').format(_BRANCH, inner + _joined(late, lines))


def _joined(entries: Iterable[Entry], lines: dict[int, Markup]) -> Markup:
    return Markup("").join(lines[entry.number] for entry in entries)


def _line(entry: Entry, body: Markup) -> Markup:
    name = f"candidate {entry.number}" if entry.version is None else f"v{entry.version}, candidate {entry.number}"
    gain = entry.verdict.bd_rate_pct if entry.verdict else None
    words = " ".join(entry.candidate.hypothesis.split()) or "no hypothesis given"
    shown = words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
    pattern = Markup(
        '<details class="lab-node" data-number="{}"><summary style="{}">{} <b>{}</b>, gen {}{}: {}</summary>'
        '<div style="{}">{}</div></details>'
    )
    early = ", stopped early" if entry.evaluation and entry.evaluation.stopped else ""
    figure = f", {percent(gain)}" if gain is not None else early
    return pattern.format(
        entry.number, _SUMMARY, chip(entry.outcome), name, entry.generation, figure, text(shown), _BODY, body
    )


def _body(campaign: Campaign, entry: Entry, met: dict[int, Entry | None], first_whole: int) -> Markup:
    if entry.number >= first_whole:
        return whole_entry(campaign, entry, met[entry.number], program=False)
    failure = entry.evaluation.failure if entry.evaluation else None
    why = note(f"failed: {failure.kind} ({failure.place})") if failure else Markup("")
    return why + reasons(entry, whole=False) + note(
        f"Code, prompt and answer: view.show_entry(lab, {entry.number}), or pick it in the controls."
    )  # fmt: skip
