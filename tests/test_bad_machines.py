"""Bad machines, each a real one: one clear line, the right level or a refusal, and nothing left behind.

`machines.py` spoils a process as each test says and watches what the lab leaves: processes, files, IPC, cgroups.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from machines import SLEEPERS
from programs import CODECS, RAISES, SLOW

from labkit.campaign import Campaign
from labkit.jail import available_levels

MACHINES = Path(__file__).with_name("machines.py")
EVALUATE = ("evaluate", CODECS / "intra_dct.py", "--clips", "builtin:shapes", "--frames", "2", "--qps", "32", "--json")
QUICK = (*EVALUATE, "--anchors", "none")
ROOT_USER = os.geteuid() == 0
STRONGEST = next(map(str, available_levels()), "")
WITHOUT_BWRAP = ("git", "sleep", "env", "sh", "uname")

needs_root = pytest.mark.skipif(not ROOT_USER, reason="only root can make this machine")
slow = pytest.mark.slow


@dataclass(frozen=True)
class Ran:
    """A command's exit code, what it said, and what it left behind."""

    code: int
    out: str
    err: str
    left: dict[str, Any]

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Lab:
    """The lab on a machine: `steps` of machines.py, environment, and a folder for all that it writes."""

    folder: Path
    steps: tuple[str, ...] = ()
    path: str = os.environ["PATH"]
    python: str | Path = sys.executable

    def start(self, *args: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Start a labkit command there; each has a home and a temporary folder that are its own."""
        self.folder.chmod(0o755)
        for name in ("home", "tmp", "cache", "runs"):
            (self.folder / name).mkdir(exist_ok=True)
            (self.folder / name).chmod(0o777)
        own = {"HOME": "home", "TMPDIR": "tmp", "LABKIT_HOME": "cache", "MACHINE_FOLDER": "."}
        env = os.environ | {name: str(self.folder / place) for name, place in own.items()} | {"PATH": self.path}
        command = [sys.executable, MACHINES, self.folder / "left.json", *self.steps, "--",
                   self.python, "-m", "labkit", *args]  # fmt: skip
        return subprocess.Popen(
            list(map(str, command)), env=env | environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def end(self, process: subprocess.Popen[str]) -> Ran:
        out, err = process.communicate(timeout=200)
        code = process.returncode - 256 if process.returncode > 192 else process.returncode
        return Ran(code, out, err, json.loads((self.folder / "left.json").read_text()))

    def run(self, *args: str | Path, **environment: str) -> Ran:
        return self.end(self.start(*args, **environment))


@pytest.fixture
def lab(tmp_path: Path) -> Callable[..., Lab]:
    return lambda *steps, **more: Lab(tmp_path, steps, **more)


@pytest.fixture
def path_without_bwrap(tmp_path: Path) -> str:
    """A folder of programs, bubblewrap not among them."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in WITHOUT_BWRAP:
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    return str(programs)


def assert_nothing_left(ran: Ran) -> None:
    assert (ran.left["processes"], ran.left["traces"]) == ([], [])


def assert_refused(ran: Ran, *words: str) -> None:
    """One line that says what is missing and what would add it; no traceback, no result."""
    assert ran.code == 1
    assert ran.out == ""
    line, *more = ran.err.splitlines()
    assert more == [], ran.err
    assert re.match(r"labkit: isolation \w+ was asked for and does not stand here: ", line)
    assert all(word in line for word in (*words, "(to add it: "))
    assert_nothing_left(ran)


def assert_measured(ran: Ran, level: str) -> None:
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err, ran.err
    assert ran.json["isolation"].split()[0] == level
    assert len(ran.json["points"]) >= 1
    assert_nothing_left(ran)


def fence(ran: Ran, name: str) -> dict[str, str]:
    return next(fence for fence in ran.json["isolation"]["fences"] if fence["name"] == name)


# --- fences that are missing -----------------------------------------------------------------------------

REFUSED = [
    pytest.param(["no_landlock"], "Landlock", "Function not implemented", "lsm=", id="kernel-without-Landlock"),
    pytest.param(["no_seccomp"], "seccomp", "Invalid argument", "profile", id="no-seccomp", marks=slow),
    pytest.param(["busy_listener"], "supervised forks", "busy", "another supervisor", id="busy-listener", marks=slow),
    pytest.param(["no_proc"], "/proc", "no /proc", "mount -t proc", id="no-proc", marks=[needs_root, slow]),
    pytest.param(["only_root"], "unprivileged uid", "not permitted", "as an ordinary user",
                 id="root-of-a-namespace-with-nobody-else", marks=[needs_root, slow]),
    pytest.param(["no_namespaces"], "mount namespace", "is closed to other users", "/usr/bin/python3",
                 id="container-with-a-Python-below-a-closed-home", marks=[needs_root, slow]),
    pytest.param(["ordinary_user", "processes=1"], "a process", "temporarily unavailable", "ulimit -u",
                 id="no-process-left", marks=[needs_root, slow]),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "name", "reason", "remedy"), REFUSED)
def test_a_machine_without_a_wall_refuses_and_says_what_would_add_it(
    lab: Callable[..., Lab], steps: Sequence[str], name: str, reason: str, remedy: str
) -> None:
    if name == "mount namespace" and not closed_python():
        pytest.skip("this Python lies in no closed folder")
    machine = lab(*steps)
    one_thread = {"OPENBLAS_NUM_THREADS": "1"}  # numpy's own threads must not be what fails
    refused = machine.run(*QUICK, **one_thread)
    assert_refused(refused, f"{name}: ", reason, remedy)
    told = machine.run("doctor", "--json", **one_thread)
    assert (told.code, told.json["isolation"]["level"]) == (1, None)
    assert reason in fence(told, name)["missing"]
    assert remedy in fence(told, name)["remedy"]
    assert "Traceback" not in told.err
    assert_nothing_left(told)


def closed_python() -> bool:
    python = Path(os.path.realpath(sys.executable))
    return any(not folder.stat().st_mode & 0o001 for folder in python.parents)


WEAKER = [
    pytest.param(["open_python", "no_namespaces"], "Operation not permitted", "--cap-add SYS_ADMIN",
                 id="container-as-root", marks=[needs_root, slow]),
    pytest.param(["ordinary_user", "no_namespaces"], "No permissions to create new namespace", "seccomp=unconfined",
                 id="container-as-ordinary-user", marks=[needs_root, slow]),
    pytest.param(["masked_proc", "ordinary_user"], "/proc", "systempaths=unconfined",
                 id="container-with-a-masked-proc", marks=[needs_root, slow]),
]  # fmt: skip


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="without bubblewrap there is nothing that could fail")
@pytest.mark.parametrize(("steps", "reason", "remedy"), WEAKER)
def test_where_namespaces_are_forbidden_the_level_is_filtered_and_says_why(
    lab: Callable[..., Lab], steps: Sequence[str], reason: str, remedy: str
) -> None:
    machine = lab(*steps)
    assert_measured(machine.run(*QUICK), "filtered")
    told = machine.run("doctor", "--json")
    assert (told.code, told.json["isolation"]["level"]) == (0, "filtered")
    assert reason in fence(told, "bubblewrap")["missing"]
    assert remedy in fence(told, "bubblewrap")["remedy"]
    assert_refused(machine.run(*QUICK, "--min-isolation", "sealed"), "isolation sealed", "bubblewrap: ", reason)


@slow
@pytest.mark.skipif(not STRONGEST, reason="no level stands on this machine")
def test_without_bubblewrap_the_level_is_filtered_and_sealed_is_refused(
    lab: Callable[..., Lab], path_without_bwrap: str
) -> None:
    machine = lab(path=path_without_bwrap)
    ran = machine.run(*QUICK)
    assert_measured(ran, "filtered")
    assert ran.err.startswith("isolation: filtered (")
    told = machine.run("doctor", "--json")
    assert (told.code, told.json["isolation"]["available"]) == (0, ["filtered"])
    assert fence(told, "bubblewrap")["remedy"] == "apt install bubblewrap"
    sealed = machine.run(*QUICK, "--min-isolation", "sealed")
    assert_refused(sealed, "isolation sealed", "bubblewrap: the program bwrap is not installed", "apt install")


@slow
@pytest.mark.skipif(not STRONGEST, reason="no level stands on this machine")
def test_a_campaign_keeps_the_level_that_it_ran_behind(lab: Callable[..., Lab], path_without_bwrap: str) -> None:
    machine = lab(path=path_without_bwrap)
    ran = machine.run(*campaign(machine))
    assert ran.code == 0, ran.err
    assert "isolation: filtered" in ran.err
    assert_nothing_left(ran)
    folder = machine.folder / "runs" / "builtin-shapes"
    with Campaign.open(folder) as kept:
        assert {entry.evaluation.isolation.split()[0] for entry in kept.ledger.entries() if entry.evaluation} == {
            "filtered"
        }
    assert "filtered" in (folder / "report.html").read_text()


def campaign(machine: Lab) -> tuple[str | Path, ...]:
    """A campaign of two programs on two frames."""
    script = machine.folder / "script"
    script.mkdir(exist_ok=True)
    (script / "1.py").write_text(RAISES)
    return ("evolve", "--clips", "builtin:shapes", "--frames", "2", "--anchors", "none", "--held-out", "none",
            "--generations", "1", "--candidates", "1", "--proposer", f"replay:{script}",
            "--runs", machine.folder / "runs")  # fmt: skip


# --- machines that are crowded, full or read-only --------------------------------------------------------


@slow
@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="needs a virtual environment to link to")
@pytest.mark.skipif(not STRONGEST, reason="no level stands on this machine")
def test_python_behind_a_symbolic_link_has_the_same_level(lab: Callable[..., Lab], tmp_path: Path) -> None:
    """As where /home is a link to /var/home."""
    (tmp_path / "link").symlink_to(sys.prefix)
    python = tmp_path / "link" / Path(sys.executable).relative_to(sys.prefix)
    assert_measured(lab(python=python).run(*QUICK), STRONGEST)


CROWDED = [
    pytest.param([], id="as-it-is"),
    pytest.param(["sleepers"], id="a-thousand-children"),
    pytest.param(["ordinary_user"], id="ordinary-user", marks=needs_root),
    pytest.param(["ordinary_user", "sleepers"], id="ordinary-user-with-a-thousand-children", marks=[needs_root, slow]),
]


@pytest.mark.slow
@pytest.mark.skipif(not STRONGEST, reason="no level stands on this machine")
@pytest.mark.parametrize("steps", CROWDED)
def test_a_crowded_machine_has_the_same_level(lab: Callable[..., Lab], steps: Sequence[str]) -> None:
    ran = lab(*steps).run(*QUICK)
    assert_measured(ran, STRONGEST)
    assert ran.left["sleepers"] == (SLEEPERS if "sleepers" in steps else 0), "the lab ended others' processes"


@slow
@needs_root
@pytest.mark.parametrize("allowed", [2, 4, 6, 8, 10, 40])
def test_however_few_processes_are_left_there_is_one_line_or_a_result(lab: Callable[..., Lab], allowed: int) -> None:
    ran = lab("ordinary_user", f"processes={allowed}").run(*QUICK, OPENBLAS_NUM_THREADS="1")
    if ran.code == 0:
        assert_measured(ran, STRONGEST)
        return
    assert ran.code == 1
    assert "Traceback" not in ran.err, ran.err
    assert ran.err.splitlines()[-1].startswith("labkit: ")
    assert_nothing_left(ran)


@pytest.mark.slow
@needs_root
@pytest.mark.parametrize("kind", ["read_only", pytest.param("full", marks=slow)])
def test_a_cache_that_cannot_be_written_costs_the_anchors_and_says_so(lab: Callable[..., Lab], kind: str) -> None:
    machine = lab(f"{kind}={lab().folder / 'cache'}")
    ran = machine.run(*EVALUATE, "--qps", "22,27,32,37", "--anchors", "x265-medium")
    assert_measured(ran, STRONGEST)
    assert ran.json["bd_rate_pct"]["x265-medium"]["shapes"] is None
    reason = ran.json["bd_rate_reason"]["x265-medium"]["shapes"]
    assert {"read_only": "Read-only file system", "full": "No space left on device"}[kind] in reason
    assert "choose a folder you may write to" in reason


@slow
@needs_root
def test_a_read_only_home_stops_neither_an_evaluation_nor_a_campaign(lab: Callable[..., Lab]) -> None:
    machine = lab(f"read_only={lab().folder / 'home'}")
    assert_measured(machine.run(*QUICK), STRONGEST)
    ran = machine.run(*campaign(machine))
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err, ran.err
    assert ran.left["processes"] == []  # and IPython leaves an empty temporary folder, where it finds no home
    told = machine.run("doctor", "--json", LABKIT_HOME="")
    cache = next(place for place in told.json["disk"] if place["name"] == "cache")
    assert (cache["writable"], told.code) == (False, 0)


@slow
@needs_root
@pytest.mark.parametrize(("kind", "reason"), [("full", "No space left"), ("read_only", "Read-only file system")])
def test_what_cannot_be_kept_is_an_error_of_one_line(lab: Callable[..., Lab], kind: str, reason: str) -> None:
    machine = lab(f"{kind}={lab().folder / 'runs'}")
    ran = machine.run(*QUICK, "--keep", machine.folder / "runs" / "kept")
    assert (ran.code, ran.out) == (1, "")
    last = ran.err.splitlines()[-1]
    assert last.startswith("labkit: cannot keep files in ")
    assert reason in last
    assert_nothing_left(ran)


@slow
@needs_root
@pytest.mark.parametrize("step", ["full=RUNS", "read_only=RUNS", "small=RUNS:400", "small=RUNS:800"])
def test_a_campaign_on_a_disk_that_is_or_runs_full_ends_with_one_line(lab: Callable[..., Lab], step: str) -> None:
    machine = lab(step.replace("RUNS", str(lab().folder / "runs")))
    ran = machine.run(*campaign(machine))
    assert ran.code == 1
    assert "Traceback" not in ran.err, ran.err
    assert re.search("^labkit: .*(full|No space left|Read-only)", ran.err.splitlines()[-1])
    assert_nothing_left(ran)


@slow
@needs_root
def test_where_nothing_temporary_can_be_written_the_lab_says_so(lab: Callable[..., Lab]) -> None:
    folder = lab().folder
    places = ("/tmp", "/var/tmp", Path.cwd(), folder / "tmp", folder / "home")
    ran = lab(*(f"read_only={place}" for place in places)).run(*QUICK)
    assert ran.code == 1
    assert "Traceback" not in ran.err, ran.err
    assert ran.err.splitlines()[-1].startswith("labkit: ")


# --- ends ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not STRONGEST, reason="no level stands on this machine")
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_lab_that_is_ended_leaves_no_process_and_no_file(lab: Callable[..., Lab], how: str, tmp_path: Path) -> None:
    machine, program = lab(), tmp_path / "slow.py"
    program.write_text(SLOW)
    process = machine.start("evaluate", program, *QUICK[2:])
    pid = wait_for_run(process)
    number = signal.Signals[how]
    # Ctrl-C reaches all of a terminal's foreground group; the others one process
    (os.killpg if how == "SIGINT" else os.kill)(pid, number)
    ran = machine.end(process)
    assert ran.code == {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -signal.SIGKILL}[how]
    assert "Traceback" not in ran.err, ran.err
    assert_nothing_left(ran)


def wait_for_run(process: subprocess.Popen[str]) -> int:
    """Return the lab's pid once its probes are over and one candidate's child works."""
    watcher, probed, deadline = psutil.Process(process.pid), False, time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        commands = list(command_lines(watcher))
        probing = any(line[:1] == ["sleep"] for line in commands)
        probed = probed or probing
        # warden, nursery and child share one command line
        if probed and not probing and sum("warden.py" in " ".join(line) for line in commands) >= 3:
            return watcher.children()[0].pid
        time.sleep(0.02)
    raise AssertionError("the candidate never ran")


def command_lines(process: psutil.Process) -> Iterator[list[str]]:
    for child in process.children(recursive=True):
        try:
            yield child.cmdline()
        except psutil.Error:
            continue


@pytest.mark.slow
@pytest.mark.skipif(not STRONGEST, reason="no level stands on this machine")
def test_a_candidate_that_fails_leaves_nothing(lab: Callable[..., Lab], tmp_path: Path) -> None:
    program = tmp_path / "raises.py"
    program.write_text(RAISES)
    ran = lab().run("evaluate", program, *QUICK[2:])
    assert (ran.code, ran.json["failure"]["kind"]) == (3, "raised")
    assert_nothing_left(ran)


LITTERS = """
import os, subprocess, sys
subprocess.Popen(["sleep", "77"], start_new_session=True)
open(os.path.join(os.environ["TMPDIR"], "litter"), "w").close()
"""


@slow
def test_the_watcher_sees_what_is_left(tmp_path: Path, lab: Callable[..., Lab]) -> None:
    """The control: a command that leaves a process, a file and a System V semaphore is found out."""
    lab().run("--version")  # makes the folders
    report = tmp_path / "left.json"
    env = os.environ | {"TMPDIR": str(tmp_path / "tmp"), "MACHINE_FOLDER": str(tmp_path)}
    semaphore = "import ctypes\nassert ctypes.CDLL(None).semget(0, 1, 0o600) >= 0\n"
    command = [sys.executable, MACHINES, report, "--", sys.executable, "-c", LITTERS + semaphore]
    done = subprocess.run(list(map(str, command)), env=env, check=False, timeout=60)
    left = json.loads(report.read_text())
    assert done.returncode == 0
    assert left["processes"] == ["sleep 77 "]
    assert any(trace.endswith("/litter") for trace in left["traces"])
    assert any(trace.startswith("sem ") for trace in left["traces"]) or not ROOT_USER
