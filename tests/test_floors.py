"""The floors of the design: a module imports only from floors below its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LABKIT = Path(__file__).resolve().parents[1] / "labkit"

FLOORS = {
    0: ("errors",),
    1: ("clip", "rd", "candidate", "container"),
    2: ("metrics", "anchors", "vmaf", "policy", "jail", "footage"),
    3: ("evaluate",),
    4: ("adopt", "propose", "canaries", "goal"),
    5: ("ledger", "lineage", "settings", "lock", "progress"),
    6: ("campaign", "audit"),
    7: ("view", "notebook", "terminal", "cli", "commands", "bench", "doctor", "magic", "__init__", "__main__"),
}
"""Modules and packages by floor; a new one has to be given its floor here."""

NEIGHBOURS_ALLOWED = {1, 7}
"""Values are made of values, and people's tools of each other; elsewhere one floor's units do not know each other."""

NEVER = {
    "propose": {"adopt", "metrics", "anchors", "vmaf", "evaluate", "jail", "footage"},  # can never touch a metric
    "adopt": {"propose", "metrics", "anchors", "vmaf", "evaluate", "jail", "policy", "footage"},  # never asks the model
    "metrics": {"candidate", "container"},  # do not know that candidates exist
    "anchors": {"candidate", "container"},
    "vmaf": {"candidate", "container"},
}
BEYOND_THE_WALL = ("attack.py", "fence.py", "worker.py", "warmup.py", "warden.py")

FLOOR_OF = {unit: floor for floor, units in FLOORS.items() for unit in units}
FILES = sorted(path.relative_to(LABKIT) for path in LABKIT.rglob("*.py"))


def unit_of(path: Path) -> str:
    """Return the package or module below labkit that a file belongs to."""
    return path.parts[0] if len(path.parts) > 1 else path.stem


def imported(source: str) -> set[str]:
    """Return the units of labkit that a source imports, wherever in it: "jail", "rd"; "." for a relative import."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["labkit.."] if node.level else [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "labkit":
                unit = rest.partition(".")[0]
                # what stands in labkit/__init__.py is a name there, not a module
                found.add(unit if unit in FLOOR_OF else "." if rest == "." else "__init__")
    return found


def broken(unit: str, source: str) -> list[str]:
    """Return what a file of `unit` imports against the rules."""
    floor = FLOOR_OF[unit]
    return [
        other
        for other in sorted(imported(source) - {unit})
        if other == "."
        or other in NEVER.get(unit, ())
        or FLOOR_OF[other] > floor
        or (FLOOR_OF[other] == floor and floor not in NEIGHBOURS_ALLOWED)
    ]


def test_every_file_has_a_floor_and_every_floor_its_files() -> None:
    units = {unit_of(path) for path in FILES}
    assert units - set(FLOOR_OF) == set(), "give a new module its floor in this test and in the design"
    assert set(FLOOR_OF) - units == set(), "a unit that is gone keeps no floor"
    assert sum(map(len, FLOORS.values())) == len(FLOOR_OF), "one floor each"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_module_imports_only_from_below(path: Path) -> None:
    unit = unit_of(path)
    if unit not in FLOOR_OF:
        pytest.skip("has no floor: another test says so")
    assert broken(unit, (LABKIT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("unit", "source", "found"),
    [
        ("errors", "from labkit.rd import QPS", ["rd"]),
        ("metrics", "def late():\n    import labkit.anchors", ["anchors"]),
        ("jail", "from labkit import policy", ["policy"]),
        ("propose", "from labkit.adopt import judge", ["adopt"]),
        ("propose", "import labkit.metrics as m", ["metrics"]),
        ("adopt", "if TYPE_CHECKING:\n    from labkit.propose.brief import Brief", ["propose"]),
        ("metrics", "from labkit.candidate import Candidate", ["candidate"]),
        ("evaluate", "from labkit.campaign import Campaign", ["campaign"]),
        ("ledger", "from labkit.lineage import Lineage", ["lineage"]),
        ("campaign", "from labkit import __version__", ["__init__"]),
        ("campaign", "from labkit.notebook import run_generation", ["notebook"]),
        ("jail", "from .limits import Limits", ["."]),
        ("jail", "from labkit.jail.limits import Limits\nfrom labkit.container import Form", []),
        ("container", "from labkit.clip import Clip", []),
        ("cli", "from labkit import __version__, bench\nfrom labkit.terminal import out", []),
    ],
)
def test_the_rules_find_what_breaks_them(unit: str, source: str, found: list[str]) -> None:
    assert broken(unit, source) == found


@pytest.mark.parametrize("name", BEYOND_THE_WALL)
def test_what_runs_beyond_the_wall_names_nothing_of_labkit(name: str) -> None:
    tree = ast.parse((LABKIT / "jail" / name).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    beside = {Path(file).stem for file in BEYOND_THE_WALL}
    assert names <= set(sys.stdlib_module_names) | beside
    # not by a string given to importlib either; docstrings may speak of it
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None
    }
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in docstrings]
    assert [text for text in texts if isinstance(text, str) and "labkit" in text] == []


def test_what_runs_beyond_the_wall_loads_without_labkit() -> None:
    modules = [Path(name).stem for name in BEYOND_THE_WALL]
    code = (
        f"import sys; sys.path.insert(0, {str(LABKIT / 'jail')!r})\n"
        f"import {', '.join(modules)}\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('labkit', 'numpy', 'av')))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
