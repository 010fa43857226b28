"""The shelf of building blocks in codecs/blocks, and how a recipe becomes one candidate's source text."""

import ast
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from labkit.errors import ProposerError

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

PARAMETER_GAIN_PCT = 1.0
"""What is expected of another value of a parameter."""


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
        for slot in (*reversed(SLOTS), *reversed(SLOTS)):  # twice: what a block needs may need something itself
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
