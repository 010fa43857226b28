"""The offline proposer: assembles codecs from tested building blocks, and needs no model and no network."""

import math
import random
import re
from collections.abc import Iterator
from pathlib import Path

from labkit.candidate import Candidate
from labkit.errors import ProposerError
from labkit.propose.brief import Brief, Experiment
from labkit.propose.proposer import Desk, Proposal, Proposer
from labkit.propose.shelf import SLOTS, Change, Recipe, Shelf, read_recipe

GOAL_PCT = 12.0
"""Small changes are bundled until this much is expected: an adoption rule asks for a gain worth a version."""

MOST_CHANGES = 5
"""More at once would teach nothing about any of them."""

ATTEMPTS = 300
CHANGE = re.compile(r"\[(\w+): (.+?) -> (.+?)\]")


def experience(experiments: tuple[Experiment, ...]) -> dict[str, float]:
    """Return the gain, in percent, that each change showed when it was last measured; 0 where it failed.

    A bundle's gain is shared out among its changes; an adopted one says nothing about what is still to be done.
    """
    seen = {}
    for experiment in experiments:
        tags = [match.group(0) for match in CHANGE.finditer(experiment.hypothesis)]
        if experiment.decision in ("rejected", "failed"):
            gain_pct = -(experiment.bd_rate_pct or 0.0)
            seen.update(dict.fromkeys(tags, gain_pct / max(len(tags), 1)))
    return seen


class RecombineProposer(Proposer):
    """Proposes assemblies of building blocks: mostly the changes of which their authors expect most."""

    name = "offline proposer (no LLM)"

    def __init__(self, folder: Path | None = None) -> None:
        """Take blocks from `folder`; the repository's codecs/blocks for None."""
        self.shelf = Shelf(folder or Path(__file__).resolve().parents[2] / "codecs" / "blocks")

    def propose(self, brief: Brief, desk: Desk | None = None) -> Proposal:
        """Return one assembly that was not tried; the same brief gives the same source.

        Raises:
            ProposerError: the blocks are missing, or everything near the champion has been tried.
        """
        recipe = read_recipe(brief.champion.source if brief.champion else "")
        for changes in self._candidates(recipe, brief):
            source = self.shelf.assemble(self.shelf.apply(recipe, changes))
            candidate = Candidate(source, self.name, hypothesis(changes), brief.champion_hash)
            if candidate.hash not in brief.tried and candidate.hash != brief.champion_hash:
                return Proposal(candidate)
        raise ProposerError(
            f"every single change of version {brief.champion_version} and every pair of changes has been tried "
            f"({len(brief.tried)} candidates); add building blocks to {self.shelf.folder} or choose another proposer"
        )

    def _candidates(self, recipe: Recipe, brief: Brief) -> Iterator[list[Change]]:
        """Yield sets of changes: drawn ones first, then every single one and every pair."""
        chance = random.Random(f"{brief.seed}/{brief.generation}/{brief.slot}")
        seen = experience(brief.experiments)
        now = [e.hypothesis for e in brief.experiments if e.generation == brief.generation]
        steps = [
            Change(c.what, c.before, c.after, seen.get(c.tag, c.gain_pct), c.because)
            for c in self.shelf.changes(recipe)
        ]
        for _ in range(ATTEMPTS):
            yield draw(steps, chance, " ".join(now), bold=brief.slot % 2 == 1)
        yield from ([step] for step in steps)
        yield from ([a, b] for a in steps for b in steps if a.what < b.what)


def draw(steps: list[Change], chance: random.Random, now: str, bold: bool) -> list[Change]:
    """Return the most promising changes under seeded noise, one a slot: one, or as many as reach the goal.

    Args:
        now: hypotheses of this generation; what they hold already is worth less a second time.
        bold: take one change more than is needed.
    """
    ranked = sorted(
        steps,
        key=lambda c: (c.gain_pct * (0.5 if c.tag in now else 1)) * math.exp(chance.gauss(0, 0.5)) + chance.gauss(0, 1),
        reverse=True,
    )
    taken: list[Change] = []
    rate, extra = 1.0, int(bold)
    for change in ranked:
        parameters = [c for c in taken if c.what not in SLOTS]
        if change.what in {c.what for c in taken} or (change.what not in SLOTS and len(parameters) == 2):
            continue
        if rate <= 1 - GOAL_PCT / 100:
            extra -= 1
            if extra < 0:
                break
        taken.append(change)
        rate *= 1 - change.gain_pct / 100
        if len(taken) == MOST_CHANGES:
            break
    return taken


def hypothesis(changes: list[Change]) -> str:
    """Return a sentence for a reader: what changes, why it should help, and what is expected."""
    rate = math.prod(1 - change.gain_pct / 100 for change in changes)
    why = "; ".join(change.because for change in changes)
    tags = " ".join(change.tag for change in changes)
    return f"{why[0].upper()}{why[1:]}. Expected: {100 * (rate - 1):+.0f} % rate at equal quality. {tags}"
