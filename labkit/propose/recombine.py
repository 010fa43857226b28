"""The offline proposer: assembles codecs from tested building blocks, and needs no model and no network."""

import ast
import json
import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.candidate import Candidate
from labkit.errors import ProposerError
from labkit.propose.proposer import Brief, Experiment, Proposal

SLOTS = (
    "structure",
    "interpolation",
    "motion",
    "transform",
    "quantisation",
    "intra",
    "deblocking",
    "restoration",
    "entropy",
)
"""One block of each is in every assembly, in this order, so that versions differ where they differ."""

START = {
    "structure": "intra_only",
    "interpolation": "whole",
    "motion": "still",
    "transform": "dct8",
    "quantisation": "flat",
    "intra": "flat",
    "deblocking": "none",
    "restoration": "none",
    "entropy": "packed",
}
"""The assembly that does what codecs/intra_dct.py does; where a champion without a recipe is taken to stand."""

RECIPE_MARK = "# recipe: "
GOAL_PCT = 12.0
"""Small changes are bundled until this much is expected: an adoption rule asks for a gain worth a version."""

PARAMETER_GAIN_PCT = 1.0
"""What is expected of another value of a parameter."""

MOST_CHANGES = 5
"""More at once would teach nothing about any of them."""

ATTEMPTS = 300
CHANGE = re.compile(r"\[(\w+): (.+?) -> (.+?)\]")


@dataclass(frozen=True)
class Block:
    """One building block, read from its file.

    Attributes:
        rate: expected bytes against the slot's other blocks; only ratios mean something.
        extends: another block of the slot, whose definitions it takes over but for those it has itself.
        needs: blocks of other slots without one of which it is useless, best first.
        choices: values that may be tried, by name of the module constant.
        values: the values of those constants as the file stands.
    """

    slot: str
    name: str
    title: str
    hypothesis: str
    rate: float
    code: str
    imports: tuple[str, ...]
    extends: str = ""
    needs: dict[str, list[str]] = field(default_factory=dict)
    choices: dict[str, list[Any]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """Which block stands in each slot, and the parameters that differ from the blocks' own values."""

    blocks: dict[str, str]
    parameters: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Return the comment that carries the recipe in an assembled source."""
        recipe = {"blocks": self.blocks, "parameters": dict(sorted(self.parameters.items()))}
        return RECIPE_MARK + json.dumps(recipe)


def read_recipe(source: str) -> Recipe:
    """Return the recipe that a source carries; START for a program that nobody assembled."""
    for line in source.splitlines():
        if line.startswith(RECIPE_MARK):
            found = json.loads(line.removeprefix(RECIPE_MARK))
            return Recipe(found["blocks"], found["parameters"])
    return Recipe(START)


def read_block(path: Path) -> Block:
    """Return the block in a file: its definitions, and those of the block that it extends.

    Raises:
        ProposerError: the file has no description `ABOUT`.
    """
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    parts = definitions(text, tree)
    if "ABOUT" not in parts:
        raise ProposerError(f"{path} has no description ABOUT; see README.md in the folder above it")
    about = constant(parts.pop("ABOUT"))
    imports = {ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
    if "extends" in about:
        root = path.with_name(about["extends"] + ".py").read_text(encoding="utf-8")
        root_tree = ast.parse(root)
        imports |= {ast.unparse(node) for node in root_tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
        parts = {n: p for n, p in definitions(root, root_tree).items() if n not in parts and n != "ABOUT"} | parts
    return Block(
        slot=path.parent.name,
        name=path.stem,
        title=(ast.get_docstring(tree) or path.stem).splitlines()[0],
        code="\n".join(parts.values()).strip(),
        imports=tuple(sorted(imports)),
        values={name: constant(parts[name]) for name in about["choices"]},
        **about,
    )


def definitions(text: str, tree: ast.Module) -> dict[str, str]:
    """Return the text of every top-level definition by name, with the comments and the docstring that go with it."""
    parts: dict[str, str] = {}
    lines, end, name = text.splitlines(), 0, ""
    for node in tree.body:
        start, end = end, node.end_lineno or node.lineno
        piece = "\n".join(lines[start:end])
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.Assign):
            name = ast.unparse(node.targets[0])
        elif isinstance(node, ast.Expr) and name:  # the docstring of the constant before
            parts[name] += "\n" + piece
            continue
        else:
            continue
        parts[name] = piece
    return parts


def constant(definition: str) -> Any:
    """Return the plain value that a definition assigns."""
    node = ast.parse(definition.strip()).body[0]
    if not isinstance(node, ast.Assign):
        raise ProposerError(f"{definition.splitlines()[0]!r} is not a constant; a block's choices must be")
    return ast.literal_eval(node.value)


@dataclass(frozen=True)
class Change:
    """One step from a recipe: another block in a slot, or another value of a parameter."""

    what: str
    before: Any
    after: Any
    gain_pct: float
    because: str

    @property
    def tag(self) -> str:
        """What a hypothesis says about it, in a form that can be read back."""
        return f"[{self.what}: {self.before} -> {self.after}]"


@dataclass(frozen=True)
class Shelf:
    """The folder of building blocks."""

    folder: Path

    @cached_property
    def skeleton(self) -> Block:
        """The code that every assembly shares."""
        return read_block(self.folder / "skeleton.py")

    @cached_property
    def blocks(self) -> dict[str, dict[str, Block]]:
        """All blocks by slot and name.

        Raises:
            ProposerError: the folder is missing or a slot has no block.
        """
        found = {slot: {p.stem: read_block(p) for p in sorted((self.folder / slot).glob("*.py"))} for slot in SLOTS}
        empty = [slot for slot, blocks in found.items() if not blocks]
        if empty:
            raise ProposerError(
                f"no building blocks for {', '.join(empty)} in {self.folder}; the offline proposer works from a "
                f"checkout of the repository, where they are in codecs/blocks"
            )
        return found

    def chosen(self, recipe: Recipe) -> list[Block]:
        """Return the blocks of a recipe in the order of the slots.

        Raises:
            ProposerError: the recipe names a block that is not in the folder.
        """
        for slot in SLOTS:
            if recipe.blocks.get(slot) not in self.blocks[slot]:
                known = ", ".join(self.blocks[slot])
                raise ProposerError(
                    f"the champion's recipe asks for {slot} {recipe.blocks.get(slot)!r}; there is {known}"
                )
        return [self.blocks[slot][recipe.blocks[slot]] for slot in SLOTS]

    def assemble(self, recipe: Recipe) -> str:
        """Return the source of one candidate: recipe, imports, the chosen blocks, the skeleton."""
        chosen = [*self.chosen(recipe), self.skeleton]
        imports = sorted({line for block in chosen for line in block.imports})
        standard = [line for line in imports if line.split()[1] in ("math", "struct", "zlib")]
        listing = "\n".join(f"    {block.slot}: {block.title}" for block in chosen[:-1])
        head = f'"""A codec assembled by labkit from building blocks.\n\n{listing}\n"""\n\n{recipe.line()}'
        parts = [head, "\n".join(standard), "\n".join(line for line in imports if line not in standard)]
        for block in chosen:
            rule = f"# {'-' * 100}\n# {block.slot}/{block.name}: {block.title}"
            parts.append(f"\n{rule}\n\n{with_parameters(block, recipe.parameters)}")
        return "\n\n".join(part for part in parts if part) + "\n"

    def neighbours(self, block: Block) -> list[Block]:
        """Return the next better and the next worse block of a slot: evolution climbs rung by rung."""
        ladder = sorted(self.blocks[block.slot].values(), key=lambda other: (-other.rate, other.name))
        place = ladder.index(block)
        return [*ladder[place + 1 : place + 2], *ladder[max(place - 1, 0) : place]]

    def changes(self, recipe: Recipe) -> list[Change]:
        """Return every single step from a recipe, with what its blocks promise."""
        steps = []
        for block in self.chosen(recipe):
            for other in self.neighbours(block):
                gain_pct = 100 * (1 - other.rate / block.rate)
                steps.append(Change(block.slot, block.name, other.name, gain_pct, other.hypothesis))
            for name, choices in block.choices.items():
                now = as_plain(recipe.parameters.get(name, block.values[name]))
                for value in map(as_plain, choices):
                    if value != now:
                        because = f"try {name} = {value} in {block.slot}/{block.name}"
                        steps.append(Change(name, now, value, PARAMETER_GAIN_PCT, because))
        return steps

    def apply(self, recipe: Recipe, changes: list[Change]) -> Recipe:
        """Return the recipe after some changes, and after what the new blocks need besides."""
        blocks, parameters = dict(recipe.blocks), dict(recipe.parameters)
        for change in changes:
            if change.what in SLOTS:
                blocks[change.what] = change.after
            else:
                parameters[change.what] = change.after
        for slot in reversed(SLOTS):
            for other, names in self.blocks[slot][blocks[slot]].needs.items():
                if blocks[other] not in names:
                    blocks[other] = names[0]
        known = {name for slot in SLOTS for name in self.blocks[slot][blocks[slot]].values}
        return Recipe(blocks, {name: value for name, value in parameters.items() if name in known})


def as_plain(value: Any) -> Any:
    """Return a parameter's value as JSON would give it back (a tuple as a list)."""
    return list(value) if isinstance(value, tuple) else value


def with_parameters(block: Block, parameters: dict[str, Any]) -> str:
    """Return the block's code with the recipe's values in place of its own."""
    code = block.code
    for name in block.values:
        if name in parameters:
            value = tuple(parameters[name]) if isinstance(parameters[name], list) else parameters[name]
            code = re.sub(rf"^{name} = .*$", f"{name} = {value!r}", code, flags=re.MULTILINE)
    return code


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


class RecombineProposer:
    """Proposes assemblies of building blocks: mostly the changes of which their authors expect most."""

    name = "offline proposer (no LLM)"

    def __init__(self, folder: Path | None = None) -> None:
        """Take blocks from `folder`; the repository's codecs/blocks for None."""
        self.shelf = Shelf(folder or Path(__file__).resolve().parents[2] / "codecs" / "blocks")

    def propose(self, brief: Brief) -> Proposal:
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
