"""What must hold of the repository itself: one list of versions, one door, nothing of the machine it was written on."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = {
    "dependencies": PROJECT["dependencies"],
    **PROJECT["optional-dependencies"],
}


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"needs the git repository: {done.stderr.strip()}")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


# --- versions ----------------------------------------------------------------------------------------


def test_conda_users_get_the_same_from_the_same_list() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert set(environment) == {"name", "channels", "dependencies"}
    assert environment["name"] == "codec-lab"
    assert environment["channels"] == ["conda-forge"]
    # python, pip and the project: any other line would be a second list of versions
    assert environment["dependencies"] == [
        f"python{PROJECT['requires-python']}",
        "pip",
        {"pip": ["-e .[torch,dev]"]},
    ]
    assert {"torch", "dev"} <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("group", REQUIREMENTS)
def test_every_dependency_is_bounded_on_both_sides(group: str) -> None:
    assert REQUIREMENTS[group]
    for requirement in REQUIREMENTS[group]:
        parts = re.fullmatch(r"([a-z0-9-]+)>=(\d[\d.]*),<(\d[\d.]*)", requirement)
        assert parts, f"{requirement!r}: a lower bound and the next version that may break it"
        low, high = ([int(number) for number in part.split(".")] for part in parts.groups()[1:])
        assert low < high, requirement
        assert high[0] - low[0] <= 1, f"{requirement!r} lets in more than one major version"


def test_no_dependency_is_named_twice() -> None:
    names = [re.split(r"[<>=]", requirement)[0] for group in REQUIREMENTS.values() for requirement in group]
    assert sorted(set(names)) == sorted(names)


def test_there_is_no_second_list_of_versions() -> None:
    rivals = {"requirements.txt", "setup.py", "setup.cfg", "Pipfile", "poetry.lock", "uv.lock", "pixi.toml"}
    assert [path.name for path in tracked() if path.name in rivals or path.name.startswith("requirements")] == []


# --- the door ----------------------------------------------------------------------------------------


def test_the_door_needs_the_standard_library_only() -> None:
    tree = ast.parse((ROOT / "lab").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", ["lab", ".ci/run"])
def test_scripts_can_be_started(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
    assert (ROOT / name).read_text(encoding="utf-8").startswith("#!")


def test_continuous_integration_runs_what_everybody_runs() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line.split("#")[0].strip().removeprefix("exec ") for line in lines]
    assert [command for command in commands if "lab test" in command] == ["./lab test"]
    assert not any("pytest" in command for command in commands), "one way to run the tests"


# --- what must not be in it --------------------------------------------------------------------------

PLACES = re.compile(rb"/(home|Users|work|mnt)/[a-z]|/root/[.a-z]|[A-Z]:\\\\Users")
REGISTRIES = re.compile(
    rb"pypi\.|pythonhosted\.|anaconda\.(org|com)|npmjs\.|crates\.io|"
    rb"download\.pytorch|index-url",
    re.IGNORECASE,
)  # fmt: skip


@pytest.mark.parametrize(("what", "pattern"), [("a place on a machine", PLACES), ("a registry", REGISTRIES)])
def test_no_tracked_file_names_this_machine_or_a_registry(what: str, pattern: re.Pattern[bytes]) -> None:
    files = [path for path in tracked() if path != Path(__file__).resolve()]
    assert len(files) > 30
    found = {
        f"{path.relative_to(ROOT)}:{number}: {line[:120]!r}"
        for path in files
        for number, line in enumerate(path.read_bytes().splitlines(), 1)
        if pattern.search(line)
    }
    assert found == set(), f"names {what}"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (PLACES, b'"/home/ann/lab/clip.mp4"'),
        (PLACES, b"/Users/ann/x"),
        (PLACES, b"cd /" + b"work/main"),
        (PLACES, b"/root/.cache"),
        (REGISTRIES, b"https://PY" + b"PI.org/simple"),
        (REGISTRIES, b"pip install --extra-index" + b"-url https://x"),
    ],
)
def test_the_patterns_find_what_they_seek(pattern: re.Pattern[bytes], text: bytes) -> None:
    assert pattern.search(text)


def test_no_large_file_is_tracked() -> None:
    large = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked() if path.stat().st_size > 1_000_000}
    assert large == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {"utils.py", "common.py", "helpers.py", "base.py", "misc.py"}
    assert [str(path) for path in (ROOT / "labkit").rglob("*.py") if path.name in names] == []


# --- licence -----------------------------------------------------------------------------------------


def test_the_licence_is_mit_and_the_encoders_are_told_apart() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License")
    assert "Permission is hereby granted, free of charge" in text
    assert PROJECT["license"] == "MIT"
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    # the wheel that reads the videos brings x264 and x265 along, which are not MIT
    said = [sentence for sentence in readme.split(". ") if re.search(r"PyAV.*\bwheel", sentence)]
    assert any("GPL" in sentence for sentence in said), "the README must say that PyAV's wheel bundles GPL encoders"


def test_the_readme_shows_the_door_first() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    shown = "\n".join(lines[:60])
    assert "git clone" in shown
    assert "./lab evolve" in shown
    assert "./lab test" in "\n".join(lines)
