"""What this machine has of what the lab uses, and the one command that adds what is missing."""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from labkit import __version__

Facts = dict[str, Any]
"""What --json prints; `show` draws the same."""

_CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_IDENTITY_TOKEN",
                "ANTHROPIC_IDENTITY_TOKEN_FILE")  # fmt: skip
_ALSO_READ = ("ANTHROPIC_BASE_URL", "ANTHROPIC_CONFIG_DIR")
"""What the SDK reads besides; no value of any of these is ever looked at but for being empty."""
_LITTLE_GIB = 1.0
_TRY_S = 20.0
_STYLES = {"missing": "red", "closed": "yellow", "low": "yellow", "read-only": "red", "error": "red", "no": "dim"}


def examine(runs: Path | None = None, system: str = "") -> Facts:
    """Return what is here, as values for JSON; nothing is asked of the network.

    Args:
        runs: where campaigns are kept; None for the usual place.
        system: as `platform.system()` names it; "" for this machine's.
    """
    system = system or platform.system()
    facts: Facts = {"labkit": __version__, "system": f"{system} {platform.release()} {platform.machine()}"}
    if system != "Linux":  # what follows is Linux's own and cannot even be imported everywhere
        name = {"Darwin": "macOS"}.get(system, system)
        why = f"{name} is not supported for untrusted code: the wall is made of Linux's own fences"
        remedy = "run the lab in Docker or, on Windows, in WSL2"
        nothing: Facts = {"level": None, "probed": "", "available": [], "fences": []}
        return {**facts, "isolation": {**nothing, "why": why, "remedy": remedy}}
    return {
        **facts,
        "isolation": _isolation(),
        "python": _python(),
        "encoders": _encoders(),
        "clips": _clips(),
        "claude": _claude(),
        "disk": _disk(runs),
        "optional": _optional(),
    }


def _isolation() -> Facts:
    """Return each fence, and the level that is left once the whole wall has been attacked."""
    from labkit.errors import JailError
    from labkit.jail import available_levels, raise_wall
    from labkit.jail.level import fences

    level, probed, why = None, "", ""
    try:
        wall = raise_wall()
        level, probed = str(wall.level), wall.probed
    except JailError as error:
        why = str(error)
    except (OSError, RuntimeError) as error:  # no process, no thread, no temporary folder to be had
        why = f"the probes could not run: {error}"
    found = [{**asdict(fence), "stands": not fence.missing} for fence in fences()]
    return {"level": level, "probed": probed, "why": why, "available": available_levels(), "fences": found}


def _python() -> Facts:
    from labkit.jail.level import readable_trees

    executable = os.path.realpath(sys.executable)
    places = [Path(path) for path in (executable, *readable_trees())]
    folders = (folder for place in places for folder in reversed(place.parents))
    closed = next((str(folder) for folder in folders if not folder.stat().st_mode & 0o001), None)
    return {
        "version": platform.python_version(), "executable": executable, "environment": sys.prefix,
        "readable_by_others": closed is None, "closed_folder": closed,
    }  # fmt: skip


def _encoders() -> list[Facts]:
    """Return each anchor and why it does not work here, tried in a process that may hang or crash in its stead."""
    import av

    from labkit.anchors import ANCHORS, AnchorSpec

    command = [sys.executable, "-c", "from labkit.doctor import try_encoders; try_encoders()"]
    said, why = b"", "the process that tried it ended too early"
    try:
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_TRY_S).stdout
    except subprocess.TimeoutExpired as error:  # x265 waits for ever for a thread that it does not get
        said, why = error.stdout or b"", f"no answer within {_TRY_S:g} s"
    except OSError as error:
        why = f"no process can be started to try it in: {error.strerror}"
    missing = dict(json.loads(line) for line in said.splitlines())

    def found(spec: AnchorSpec) -> Facts:
        there = {spec.encoder, spec.decoder} <= av.codecs_available
        return {
            "name": spec.name, "encoder": spec.encoder, "decoder": spec.decoder,
            "missing": missing.get(spec.name, why),
            "remedy": "" if there else f"{sys.executable} -m pip install --force-reinstall av",
        }  # fmt: skip

    return [found(spec) for spec in ANCHORS.values()]


def try_encoders() -> None:
    """Encode and decode two frames with each anchor; print [its name, why that failed or ""], one a line."""
    from fractions import Fraction

    import numpy as np

    from labkit import anchors
    from labkit.clip import Clip
    from labkit.errors import AnchorError

    clip = Clip("grey", np.full((2, 64 * 64 * 3 // 2), 128, np.uint8), 64, 64, Fraction(25))
    for spec in anchors.ANCHORS.values():
        why = ""
        try:
            stream = anchors.encode(spec, clip, spec.crfs[0])
            if (frames := len(list(anchors.decode(spec, stream, 64, 64)))) != len(clip):
                why = f"{frames} of {len(clip)} frames came back"
        except AnchorError as error:
            why = str(error)
        print(json.dumps([spec.name, why]), flush=True)


def _clips() -> list[Facts]:
    from labkit.errors import ClipError
    from labkit.footage import library

    problem, counts = "", Counter[str]()
    try:
        counts.update(info.source for info in library.list_clips())
    except ClipError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
    variable = library.FOLDER_VARIABLE
    places = {library.BUILTIN: "made by the lab itself", library.LIBRARY: str(library.library_folder()),
              variable: os.environ.get(variable, "")}  # fmt: skip
    found = [{"source": name, "where": where, "clips": counts[name], "problem": ""} for name, where in places.items()]
    return [*found, *([{"source": "", "where": "", "clips": 0, "problem": problem}] if problem else [])]


def _claude() -> Facts:
    given = {name: bool(os.environ.get(name)) for name in (*_CREDENTIALS, *_ALSO_READ)}
    return {"credential": any(given[name] for name in _CREDENTIALS), "variables": given}


def _disk(runs: Path | None) -> list[Facts]:
    from labkit.settings import ROOT, cache_folder

    places: dict[str, Path | None] = {
        "campaigns": runs or ROOT / "runs",
        "cache": cache_folder(),
        "temporary files": None,
    }
    with contextlib.suppress(OSError):  # there may be none that can be written
        places["temporary files"] = Path(tempfile.gettempdir())
    return [_space(name, path) for name, path in places.items()]


def _space(name: str, path: Path | None) -> Facts:
    """Return what is free where `path` is or will be."""
    if path is None:
        return {"name": name, "path": None, "free_gib": 0.0, "writable": False}
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if os.path.exists(folder))  # noqa: PTH110
    free = shutil.disk_usage(there).free
    return {"name": name, "path": str(path), "free_gib": round(free / 2**30, 2), "writable": os.access(there, os.W_OK)}


def _optional() -> list[Facts]:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
    rows = (
        ("ffmpeg with libvmaf", _ffmpeg(), "VMAF in reports (--vmaf)", "pip install labkit[vmaf]"),
        ("torch", _version("torch"), "candidates that import it", "./lab doctor, without LAB_SKIP_TORCH=1"),
        (
            "torchvision",
            _version("torchvision"),
            "candidates that import it",
            f"{sys.executable} -m pip install torchvision",
        ),
        ("git", shutil.which("git") or "", "every campaign: adopted versions are commits", "apt install git"),
        (
            "chromium",
            browser,
            "pictures of reports and notebooks; the lab itself never starts it",
            "apt install chromium",
        ),
    )
    return [{"name": name, "found": found, "for": use, "remedy": add} for name, found, use, add in rows]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _ffmpeg() -> str:
    from labkit import vmaf
    from labkit.errors import VmafError

    try:
        return str(vmaf.find() or "")
    except VmafError as error:
        return f"unfit: {error}"


# --- for people ------------------------------------------------------------------------------------------


def show(facts: Facts, console: Console) -> None:
    """Print the facts as tables."""
    console.print(f"labkit {facts['labkit']}, {facts['system']}", markup=False, soft_wrap=True)
    for title, rows in _sections(facts):
        table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False,
                      padding=(0, 2, 0, 0))  # fmt: skip
        table.add_column(no_wrap=True, min_width=17)
        table.add_column(no_wrap=True, min_width=9)
        table.add_column(ratio=1, overflow="fold")
        for name, state, *lines in rows:
            table.add_row(Text(name), Text(state, _STYLES.get(state, "green")), Text("\n".join(filter(None, lines))))
        console.print()
        console.print(table)


Rows = Iterator[tuple[str, ...]]
"""A name, a state, lines of text."""


def _sections(facts: Facts) -> Iterator[tuple[str, Rows]]:
    isolation = facts["isolation"]
    yield _level(isolation), _fence_rows(isolation)
    if "python" not in facts:
        return
    yield "Python", _python_rows(facts["python"])
    yield "Real encoders to compare with", _encoder_rows(facts["encoders"])
    yield "Clips", _clip_rows(facts["clips"])
    yield "Claude", _claude_rows(facts["claude"])
    yield "Disk", _disk_rows(facts["disk"])
    yield "Optional", _optional_rows(facts["optional"])


def _level(isolation: Facts) -> str:
    if isolation["level"]:
        return f"Isolation: {isolation['level']} ({isolation['probed']})"
    return "Isolation: none stands; no candidate is run"


def _fence_rows(isolation: Facts) -> Rows:
    if not isolation["fences"] or (isolation["available"] and not isolation["level"]):
        yield "the wall", "missing", isolation["why"], _to_add(isolation.get("remedy"))
    for fence in isolation["fences"]:
        state = "stands" if fence["stands"] else "missing"
        yield fence["name"], state, fence["covers"], fence["missing"], _to_add(fence["remedy"])


def _to_add(remedy: str | None) -> str:
    return f"to add it: {remedy}" if remedy else ""


def _python_rows(python: Facts) -> Rows:
    yield python["version"], "ok", python["executable"]
    yield "environment", "ok", python["environment"]
    closed, root = python["closed_folder"], os.geteuid() == 0
    needs = "candidates, who are not root, need the mount namespace" if root else "candidates run as you: no harm"
    if closed:
        yield "readable by all", "closed" if root else "no", f"{closed} is closed to other users; {needs}"
    else:
        yield "readable by all", "yes", "candidates can read it as any user"


def _encoder_rows(encoders: list[Facts]) -> Rows:
    for spec in encoders:
        state, names = "missing" if spec["missing"] else "works", f"{spec['encoder']}, decoded by {spec['decoder']}"
        yield spec["name"], state, spec["missing"] or names, _to_add(spec["remedy"])


def _clip_rows(clips: list[Facts]) -> Rows:
    for source in clips:
        if source["problem"]:
            yield "", "error", source["problem"]
        else:
            where = source["where"] or "not set: names a further folder of clips"
            yield source["source"], f"{source['clips']} clips", where
    yield "URLs", "not tried", "any video that PyAV reads over http or https"


def _claude_rows(claude: Facts) -> Rows:
    given = [name for name, set_ in claude["variables"].items() if set_]
    for name in given:
        yield name, "set", "its value is not shown"
    if not claude["credential"]:
        yield "ANTHROPIC_API_KEY", "no", "only the Claude proposer needs it; a profile on disk is not looked for"


def _disk_rows(disk: list[Facts]) -> Rows:
    for place in disk:
        state = "low" if place["free_gib"] < _LITTLE_GIB else "ok"
        text = f"{place['free_gib']:,.1f} GiB free in {place['path']}" if place["path"] else "no folder can be written"
        yield place["name"], state if place["writable"] else "read-only", text


def _optional_rows(parts: list[Facts]) -> Rows:
    for part in parts:
        add = "" if part["found"] else _to_add(part["remedy"])
        here = f"{part['found']}, " if part["found"] else ""
        yield part["name"], "ok" if part["found"] else "no", f"{here}for {part['for']}", add
