"""The campaign's diary: by generation what was tried and what was learnt, in words, from the ledger alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from labkit.campaign import Campaign
from labkit.jail.wire import printable
from labkit.ledger import Entry
from labkit.view.fragment import Fragment, bullets, chip, note, percent, text

OPEN = 10
"""Generations at the end that stand open; earlier ones are folded."""

LONGEST_WORDS = 260
"""Characters of a hypothesis or a reason in the diary; the candidate's own part of the report has all of it."""


@dataclass(frozen=True)
class Page:
    """One generation of the diary.

    Attributes:
        heading: "Generation 3 (against v2; 51 s, 0.12 USD)".
        tried: for each candidate its outcome as a label, what was tried and what was learnt.
        learnt: lessons that were drawn before it, and alerts at its end.
    """

    number: int
    heading: str
    tried: tuple[Markup, ...]
    learnt: tuple[str, ...]


def show_diary(campaign: Campaign) -> Fragment:
    """Return the diary: a summary, then one paragraph for each generation, the newest at the end."""
    pages = diary(campaign)
    if not pages:
        return Fragment(note("Nothing has been tried yet."), "diary")
    early, late = pages[:-OPEN], pages[-OPEN:]
    html = Markup("<p>{}</p>").format(text(summary(campaign)))
    if early:
        title = f"generations {early[0].number} to {early[-1].number}"
        html += Markup("<details><summary>{}</summary>{}</details>").format(title, _pages(early))
    return Fragment(html + _pages(late) + _lessons_in_force(campaign), "diary")


def _pages(pages: Sequence[Page]) -> Markup:
    pattern = Markup('<div style="margin:10px 0"><p style="margin:4px 0"><b>{}</b></p>{}</div>')
    return Markup("").join(pattern.format(page.heading, bullets([*page.tried, *page.learnt])) for page in pages)


def diary(campaign: Campaign) -> list[Page]:
    """Return the diary's pages in order; a generation that broke off has one, too."""
    ledger = campaign.ledger
    entries, ended = ledger.entries(), ledger.ended()
    by_generation: dict[int, list[Entry]] = {}
    for entry in entries:
        by_generation.setdefault(entry.generation, []).append(entry)
    costs, learnt = _costs(campaign), _learnt(campaign, entries)
    pages, champion = [], None
    for number in sorted({*ledger.generations(), *ended}):
        ours = by_generation.get(number, [])
        heading = _heading(number, champion, ended.get(number), costs.get(number, 0.0))
        tried = tuple(_tried(campaign, entry, champion) for entry in ours)
        pages.append(Page(number, heading, tried, tuple(learnt.get(number, ()))))
        champion = next((entry for entry in ours if entry.version is not None), champion)
    return pages


def _heading(number: int, champion: Entry | None, wall_s: float | None, usd: float) -> str:
    told = [f"against v{champion.version}"] if champion else []
    told.append("broke off or is running" if wall_s is None else f"{wall_s:.0f} s")
    return f"Generation {number} ({', '.join([*told, *([f'{usd:.4f} USD'] if usd else [])])})"


def _tried(campaign: Campaign, entry: Entry, champion: Entry | None) -> Markup:
    name = f"candidate {entry.number}" + ("" if entry.version is None else f", now v{entry.version}")
    tried = shortened(entry.candidate.hypothesis) or "no hypothesis was given."
    pattern = Markup("{} <b>{}</b>. Tried: {} <b>{}</b> {}")
    return pattern.format(chip(entry.outcome), name, text(tried), *_verdict(campaign, entry, champion))


def _verdict(campaign: Campaign, entry: Entry, champion: Entry | None) -> tuple[str, Markup]:
    """Return what was learnt from a candidate: a word, and the reason that decided."""
    evaluation, verdict = entry.evaluation, entry.verdict
    if evaluation is None:
        return "Not measured", Markup("yet.")
    if failure := evaluation.failure:
        return "It failed:", text(f"{failure.kind} ({failure.place}): {shortened(failure.detail)}")
    if verdict is None:
        return "No verdict", Markup("yet.")
    decisive = shortened(verdict.reasons[0] if verdict.reasons else "no reason is recorded")
    if entry.version is not None and champion is not None:
        unseen = campaign.held_out_gain(entry)
        held = "" if unseen is None else f"; on held-out clips {percent(unseen)}"
        return "It holds:", text(f"{decisive}{held}.")
    return "The start:" if entry.version is not None else "It did not hold:", text(decisive)


def _learnt(campaign: Campaign, entries: Sequence[Entry]) -> Mapping[int, list[str]]:
    """Return the lessons as they were drawn, without those known before, and the alerts, by generation."""
    found: dict[int, list[str]] = {}
    known: set[str] = set()
    for row in campaign.ledger.lessons():
        before = [entry.generation for entry in entries if entry.number < row.experiments]
        number = before[-1] + 1 if before else 0  # drawn from those, before the next generation was asked for
        found.setdefault(number, []).extend(
            f"Lesson from {shortened(row.origin)}: {shortened(lesson)}" for lesson in row.lessons if lesson not in known
        )
        known |= set(row.lessons)
    for row in campaign.ledger.alerts():
        found.setdefault(row.generation, []).append(f"Alert, {row.kind}: {shortened(row.text)}")
    return found


def _lessons_in_force(campaign: Campaign) -> Markup:
    rows = campaign.ledger.lessons()
    if not rows:
        return Markup("")
    title = f"lessons in force ({len(rows[-1].lessons)}, from {shortened(rows[-1].origin)})"
    return Markup("<details><summary>{}</summary>{}</details>").format(text(title), bullets(rows[-1].lessons))


def _costs(campaign: Campaign) -> Mapping[int, float]:
    """Return what proposers cost by generation, USD."""
    costs: dict[int, float] = {}
    for row in campaign.ledger.rows("costs"):
        costs[row.generation] = costs.get(row.generation, 0.0) + row.usd
    return costs


def summary(campaign: Campaign) -> str:
    """Return in two or three sentences what was tried, what gained most and what failed."""
    entries = [entry for entry in campaign.ledger.entries() if entry.generation > 0]
    if not entries:
        return "Nothing was tried after the start yet."
    outcomes = Counter(entry.outcome for entry in entries)
    told = f"{len(entries)} candidates in {len({entry.generation for entry in entries})} generations: "
    told += ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) + "."
    gains = [(e.verdict.bd_rate_pct, e) for e in entries if e.version is not None and e.verdict]
    known = [(gain, entry) for gain, entry in gains if gain is not None]
    if known:
        gain, best = min(known, key=lambda pair: pair[0])
        told += f" The greatest gain was v{best.version} in generation {best.generation}, {percent(gain)} bits."
    failed = Counter(str(e.evaluation.failure.kind) for e in entries if e.evaluation and e.evaluation.failure)
    if failed:
        told += " Failures: " + ", ".join(f"{count} x {kind}" for kind, count in failed.items()) + "."
    return told


def shortened(words: str) -> str:
    """Return words of others in one line, as far as the diary shows them."""
    line = " ".join(words.split())
    return printable(line, LONGEST_WORDS)
