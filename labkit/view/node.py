"""One candidate with all that led to it and all that came of it: hypothesis, code, request, answer, reasons."""

from collections.abc import Sequence

from markupsafe import Markup

from labkit.campaign import Campaign
from labkit.ledger import Entry
from labkit.propose.exchange import Exchange
from labkit.view.changes import failure_blocks
from labkit.view.code import count_changes, show_code, show_diff
from labkit.view.exchanges import told
from labkit.view.fragment import Fragment, chip, note, percent, text
from labkit.view.tables import reasons

PLAN = "plan"
"""Purpose of the request that a generation's candidates have in common."""


def met_by(entries: Sequence[Entry]) -> dict[int, Entry | None]:
    """Return the version that each candidate met, by the candidate's number; None where there was none yet."""
    met: dict[int, Entry | None] = {}
    champion: Entry | None = None
    coming: Entry | None = None
    generation = -1
    for entry in entries:
        if entry.generation != generation:
            champion, generation = coming or champion, entry.generation
        met[entry.number] = champion
        coming = entry if entry.version is not None else coming
    return met


def counted(entries: Sequence[Entry]) -> str:
    """Return how many candidates there are, and what became of them: "3 candidates: 1 adopted, 2 failed"."""
    outcomes = [entry.outcome for entry in entries]
    counts = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes))
    return f"{len(entries)} {'candidate' if len(entries) == 1 else 'candidates'}: {counts or 'none yet'}"


def name_of(entry: Entry) -> str:
    """Return what a candidate is called in a sentence: "v4 (candidate 10)" or "candidate 9"."""
    return f"candidate {entry.number}" if entry.version is None else f"v{entry.version} (candidate {entry.number})"


def show_entry(campaign: Campaign, name: str | int) -> Fragment:
    """Return everything that is recorded of one candidate; long things are folded.

    Args:
        name: the candidate's number in the ledger, or "v3" for a version.
    """
    entries = campaign.ledger.entries()
    entry = find_entry(entries, name)
    if entry is None:
        return Fragment(note(_no_entry(entries, [name])), f"candidate {name}")
    return Fragment(whole_entry(campaign, entry, met_by(entries)[entry.number]), name_of(entry))


def whole_entry(campaign: Campaign, entry: Entry, met: Entry | None, program: bool = True) -> Markup:
    """Return the piece behind `show_entry`.

    Args:
        met: the version that was to be beaten.
        program: carry the whole program beside what was changed in it.
    """
    asked = [
        exchange
        for exchange in campaign.ledger.exchanges(entry.generation)
        if exchange.slot == entry.slot or exchange.purpose == PLAN
    ]
    return headline(entry) + _origin(campaign, entry) + _why(entry) + _code(entry, met, program) + _asked(entry, asked)


def headline(entry: Entry) -> Markup:
    """Return a candidate's outcome, number and generation in one line."""
    gain = entry.verdict.bd_rate_pct if entry.verdict else None
    figure = f", {percent(gain)} against the version before" if gain is not None else ""
    return Markup("<div>{} <b>{}</b>, generation {}{}</div>").format(
        chip(entry.outcome), name_of(entry), entry.generation, figure
    )


def _origin(campaign: Campaign, entry: Entry) -> Markup:
    words = f"by {entry.candidate.proposer}; program {entry.candidate.hash[:12]}"
    return Markup('<div style="margin:4px 0">{}</div>').format(_hypothesis(entry)) + note(words)


def _hypothesis(entry: Entry) -> Markup:
    return text(entry.candidate.hypothesis or "no hypothesis given")


def _why(entry: Entry) -> Markup:
    found = Markup("<div><b>reasons</b>{}</div>").format(reasons(entry))
    return found + (failure_blocks(entry.evaluation) if entry.evaluation else note("not measured yet"))


def _code(entry: Entry, met: Entry | None, program: bool) -> Markup:
    source = entry.candidate.source
    code = show_code(source, f"code of {name_of(entry)}").html if program or met is None else Markup("")
    if met is None:
        return code
    change = count_changes(met.candidate.source, source)
    diff = show_diff(met.candidate.source, source, f"v{met.version}", name_of(entry), whole=False).html
    folded = Markup("<details><summary>{} against v{}, which it met</summary>{}</details>")
    return folded.format(change, met.version, diff) + code


def _asked(entry: Entry, asked: Sequence[Exchange]) -> Markup:
    return told(asked) or note(f"No prompt and no answer: no model was asked, {entry.candidate.proposer} wrote it.")


def find_entry(entries: Sequence[Entry], name: str | int) -> Entry | None:
    """Return the entry of a name: 7, "7", "candidate 7", "v3", "version 3", "champion v3"; None if there is none."""
    *_, words = ["", *str(name).split()]
    version = str(name).startswith(("v", "champion"))
    return next((e for e in entries if str(e.version if version else e.number) == words.removeprefix("v")), None)


def _no_entry(entries: Sequence[Entry], names: Sequence[str | int]) -> str:
    asked = " and ".join(repr(name) for name in names)
    last = max((entry.version for entry in entries if entry.version is not None), default=None)
    versions = "no version" if last is None else f"versions v0 to v{last}"
    return (
        f"There is no {asked}; there are candidates 0 to {len(entries) - 1} and {versions}."
        if entries
        else ("Nothing is recorded yet: there is no candidate.")
    )


def show_difference(campaign: Campaign, old: str | int = "", new: str | int = "") -> Fragment:
    """Return the code of two candidates or versions side by side.

    Args:
        old, new: "v3" for a version, a number for a candidate; the champion beside the version before it if empty.
    """
    entries = campaign.ledger.entries()
    adopted = [entry for entry in entries if entry.version is not None]
    if len(adopted) < 2 and "" in (old, new):
        words = f"No two versions to compare: {len(adopted)} was adopted so far. Name two candidates."
        return Fragment(note(words), "difference")
    asked = [f"v{adopted[place].version}" if name == "" else name for name, place in ((old, -2), (new, -1))]
    pair = [find_entry(entries, name) for name in asked]
    left, right = pair
    if left is None or right is None:
        missing = [name for name, one in zip(asked, pair, strict=True) if one is None]
        return Fragment(note(_no_entry(entries, missing)), "difference")
    return difference(left, right)


def difference(old: Entry, new: Entry, whole: bool = True) -> Fragment:
    """Return how much the code of two entries differs, and both side by side.

    Args:
        whole: carry the unchanged lines too, folded.
    """
    sources = old.candidate.source, new.candidate.source
    shown = show_diff(*sources, name_of(old), name_of(new), whole)
    words = f"{name_of(new)} against {name_of(old)}: {count_changes(*sources)}"
    # a program is a thousand lines: the page stays one that can be leafed through
    box = Markup('<div style="max-height:600px;overflow:auto;border:1px solid rgba(127,127,127,0.35)">{}</div>')
    return Fragment(note(words) + box.format(shown.html), shown.title)
