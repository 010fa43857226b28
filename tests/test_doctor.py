"""`labkit doctor`: what it says is so, nothing secret is shown, nothing is squashed, other systems are told plainly."""

import io
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest
from rich.console import Console

from labkit.anchors import ANCHORS
from labkit.doctor import Facts, examine, show
from labkit.footage.synthetic import SYNTHETIC
from labkit.jail import available_levels

SECRET = f"sk-{secrets.token_hex(24)}"


def doctor(*args: str | Path, **environment: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "labkit", "doctor", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    return done.returncode, done.stdout, done.stderr


def drawn(facts: Facts, width: int) -> str:
    text = io.StringIO()
    show(facts, Console(file=text, width=width, highlight=False))
    return text.getvalue()


@pytest.fixture(scope="module")
def facts() -> Facts:
    return examine()


@pytest.mark.slow
def test_json_is_one_value_with_the_facts_of_this_machine(tmp_path: Path) -> None:
    code, out, _ = doctor("--json", "--runs", tmp_path / "not" / "yet")
    told = json.loads(out)
    levels = [str(level) for level in available_levels()]
    assert (code, told["isolation"]["available"]) == (0 if levels else 1, levels)
    assert told["isolation"]["level"] == (levels[0] if levels else None)
    assert told["python"]["version"] == platform.python_version()
    assert Path(told["python"]["executable"]).samefile(sys.executable)
    assert {spec["name"]: spec["missing"] for spec in told["encoders"]} == dict.fromkeys(ANCHORS, "")
    assert {spec["encoder"] for spec in told["encoders"]} <= av.codecs_available
    disk = {place["name"]: place for place in told["disk"]}
    assert disk["campaigns"]["path"] == str(tmp_path / "not" / "yet")
    assert disk["campaigns"]["free_gib"] == pytest.approx(shutil.disk_usage(tmp_path).free / 2**30, rel=0.2)
    assert not (tmp_path / "not").exists(), "looking made a folder"
    assert {part["name"]: bool(part["found"]) for part in told["optional"]}["git"] == bool(shutil.which("git"))


def test_each_fence_that_is_missing_has_its_reason_and_its_remedy_and_no_other_has(facts: Facts) -> None:
    fences = facts["isolation"]["fences"]
    assert {"Landlock", "seccomp", "supervised forks", "bubblewrap"} <= {fence["name"] for fence in fences}
    assert all(fence["covers"] for fence in fences)
    assert all(fence["stands"] == (not fence["missing"]) == (not fence["remedy"]) for fence in fences)


@pytest.mark.slow
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_no_part_of_a_key_is_ever_shown(form: tuple[str, ...]) -> None:
    """Nor of an address, in which people write keys."""
    _, out, err = doctor(*form, ANTHROPIC_API_KEY=SECRET, ANTHROPIC_BASE_URL=f"https://me:{SECRET}@127.0.0.1")
    assert "ANTHROPIC_API_KEY" in out
    assert not [part for part in (SECRET[i : i + 6] for i in range(len(SECRET) - 5)) if part in out + err]


@pytest.mark.slow
def test_a_key_is_there_or_not() -> None:
    def claude(**variables: str) -> tuple[bool, bool]:
        told = json.loads(doctor("--json", **dict.fromkeys(given, ""), **variables)[1])["claude"]
        return told["credential"], told["variables"]["ANTHROPIC_API_KEY"]

    given = [name for name in os.environ if name.startswith("ANTHROPIC_") and name != "ANTHROPIC_API_KEY"]
    assert claude(ANTHROPIC_API_KEY=SECRET) == (True, True)
    assert claude(ANTHROPIC_API_KEY="") == (False, False)  # as the SDK sees it


@pytest.mark.slow
def test_a_folder_of_clips_that_is_none_is_told_with_all_the_rest(tmp_path: Path) -> None:
    _, out, _ = doctor("--json", LABKIT_CLIPS=str(tmp_path / "nowhere"))
    told = json.loads(out)
    assert [source["problem"] for source in told["clips"] if "nowhere" in source["problem"]]
    assert len(told["disk"]) == 3


@pytest.mark.slow
def test_clips_are_counted_by_source(tmp_path: Path, facts: Facts) -> None:
    (tmp_path / "one.mkv").write_bytes(b"not a video, but a file of that name")
    _, out, _ = doctor("--json", LABKIT_CLIPS=str(tmp_path), LABKIT_HOME=str(tmp_path / "home"))
    counts = {source["source"]: source["clips"] for source in json.loads(out)["clips"]}
    assert counts == {"builtin": len(SYNTHETIC), "library": 0, "LABKIT_CLIPS": 1}


# --- as people see it ------------------------------------------------------------------------------------

LONG = "/a/rather/long/path/that/nobody/would/choose/but/some/cluster/gives/to/its/users/" + "x" * 60
COMMAND = "docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined"


def unlucky(facts: Facts) -> Facts:
    """The same machine with everything missing, and long words for it."""
    lost = {
        "stands": False,
        "missing": "bwrap: Creating new namespace failed: Operation not permitted",
        "remedy": COMMAND,
    }
    isolation = {**facts["isolation"], "level": None, "available": []}
    isolation["fences"] = [{**fence, **lost} for fence in isolation["fences"]]
    encoders = [{**spec, "missing": "PyAV lacks it", "remedy": COMMAND} for spec in facts["encoders"]]
    disk = [{**place, "path": LONG, "writable": False} for place in facts["disk"]]
    optional = [{**part, "found": ""} for part in facts["optional"]]
    python = {**facts["python"], "executable": LONG, "closed_folder": LONG}
    return {**facts, "isolation": isolation, "encoders": encoders, "disk": disk, "optional": optional, "python": python}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("make", [dict, unlucky])
def test_nothing_is_squashed_cut_or_wider_than_the_terminal(facts: Facts, width: int, make: type) -> None:
    facts = make(facts)
    lines = drawn(facts, width).splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    # the last column has 50 characters or more; its line breaks taken out, every text is there, whole
    text = "".join("".join(line[30:].split()) for line in lines)
    fences = facts["isolation"]["fences"]
    for wanted in (*(fence[key] for fence in fences for key in ("covers", "missing", "remedy")),
                   facts["python"]["executable"], *(place["path"] for place in facts["disk"])):  # fmt: skip
        assert "".join(wanted.split()) in text


def test_a_machine_without_a_level_says_so_first(facts: Facts) -> None:
    title = drawn(unlucky(facts), 80).splitlines()[2]
    assert title.strip() == "Isolation: none stands; no candidate is run"


@pytest.mark.parametrize(("system", "name"), [("Darwin", "macOS"), ("Windows", "Windows")])
def test_other_systems_are_told_plainly(system: str, name: str) -> None:
    facts = examine(system=system)
    assert facts["isolation"]["level"] is None
    text = " ".join(drawn(facts, 80).split())
    assert f"{name} is not supported for untrusted code" in text
    assert "Docker" in text
    assert "WSL2" in text


def test_elsewhere_nothing_is_imported_that_only_linux_has() -> None:
    code = (
        "import sys\nfrom labkit.doctor import examine\nexamine(system='Windows')\n"
        "print([name for name in sys.modules if name.startswith('labkit.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['labkit.doctor']"
