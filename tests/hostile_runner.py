"""Runs a hostile file in the jail, and without it as its positive control; both end in the same Outcome."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import psutil
from hostile_files import ATTACK_QP, HONEST_QP, Attack, honest
from hostile_world import CLIP_STARTS, Outcome, World

from labkit.candidate import Candidate, Evaluation, Failure, first_sentence
from labkit.clip import Clip, Frame
from labkit.errors import JailError
from labkit.jail import Coded, Level, Limits, Nursery
from labkit.view.changes import failure_blocks
from labkit.view.code import show_code
from labkit.view.fragment import block

CONTROL = Path(__file__).with_name("hostile_control.py")
LIMITS = Limits(encode_s=0.2, decode_s=0.2, run_s=0.3, load_cpu_s=2.0, memory_mib=256)
HEAVY = Limits(encode_s=5.0, decode_s=5.0, run_s=5.0, load_cpu_s=60.0, memory_mib=1024)
"""For attacks that need torch, or numba to compile something."""
PATIENCE_S = 20.0
PATIENCE_WITH_HANGS_S = 2.0
WIDTH, HEIGHT, FRAMES = 64, 48, 3
NOBODYS_UID = 61_743
"""No other process has it, so whatever an attack does to all processes of its user hits itself."""


@cache
def clips() -> dict[str, Clip]:
    """Return two clips of noise that differ in every bit of their first sample."""
    made = {}
    for seed, (name, start) in enumerate(CLIP_STARTS.items()):
        samples = np.random.default_rng(seed).integers(0, 256, (FRAMES, WIDTH * HEIGHT * 3 // 2), dtype=np.uint8)
        samples[0, 0] = start
        made[name] = Clip(name, samples, WIDTH, HEIGHT, Fraction(25))
    return made


def needed_clips(attack: Attack) -> dict[str, Clip]:
    """Return both clips for a stash, which shows by their difference; one for all else."""
    return clips() if attack.sign == "stash" else {"A": clips()["A"]}


def fitting(attack: Attack) -> Limits:
    return HEAVY if attack.needs and set(attack.needs) & {"torch", "numba"} else LIMITS


# --- in the jail -------------------------------------------------------------------------------------------


def in_jail(attack: Attack, world: World, level: Level) -> tuple[Outcome, str]:
    """Run the attack at QP 51, then the honest part of the same candidate at another QP, in the same nursery.

    Returns:
        What came of the attack, and how the honest codec fared after it: "" if it was bit-exact. Where the
        nursery has died of the attack, a fresh one shows that the next candidate does not suffer.
    """
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    hashes = {name: clip.hash for name, clip in clips().items()}
    candidate = Candidate(attack.source(world.places))
    outcome, trouble = Outcome("runs", b"", ""), "the nursery did not start"
    try:
        with Nursery(candidate, fitting(attack), level) as nursery:
            failure = strike(nursery, attack, outcome)
            trouble = "" if failure or attack.alone else honest_trouble(nursery, level)
        outcome.taken = failure is None
        _record(outcome, failure, nursery)
    except JailError as error:  # a candidate has brought down what is not its own
        failure, outcome.fell, outcome.verdict = None, True, f"JailError: {error}"
    outcome.left = [f"{p}" for p in psutil.Process().children(recursive=True) if p.pid not in before | _ours(world)]
    outcome.left += [f"{p}" for p in world.survivors()]
    fresh = {name: Clip(name, clip.data, WIDTH, HEIGHT, clip.fps).hash for name, clip in clips().items()}
    outcome.input_changed = fresh != hashes
    outcome.page, outcome.lines = shown(candidate, failure, outcome.output)
    if failure or outcome.fell or attack.alone:
        with Nursery(Candidate(honest()), LIMITS, level) as another:
            trouble = honest_trouble(another, level)
    return outcome, trouble


def _ours(world: World) -> set[int]:
    return {world.victim.pid} if world.victim else set()


def strike(nursery: Nursery, attack: Attack, outcome: Outcome) -> Failure | None:
    """Code each clip at the attack's QP; note what comes out, return the failure that ended it."""
    if nursery.failure:
        return nursery.failure
    for name, clip in needed_clips(attack).items():
        coded = nursery.encode(clip, ATTACK_QP)
        if isinstance(coded, Failure):
            return coded
        outcome.came_out += b"".join(coded.container.payloads)
        if not attack.decodes:
            return None
        frames: list[bytes] = []
        decoded = nursery.decode(coded.container, lambda i, frame, to=frames: to.append(_bytes(frame)), name)  # type: ignore[misc]
        if isinstance(decoded, Failure):
            return decoded
        outcome.came_out += b"".join(frames)
        outcome.first_samples[name] = frames[0][:WIDTH]
    return None


def _bytes(frame: Frame) -> bytes:
    return b"".join(plane.tobytes() for plane in frame)


def _record(outcome: Outcome, failure: Failure | None, nursery: Nursery) -> None:
    outcome.output = nursery.output
    outcome.came_out += nursery.output.encode()
    if failure:
        outcome.verdict = f"{failure.stage}: {failure.kind}"
        outcome.came_out += f"{failure}\n{failure.output}".encode()


def shown(candidate: Candidate, failure: Failure | None, output: str) -> tuple[str, str]:
    """Return all that people are shown of a candidate: as HTML, and as lines on a terminal."""
    told = failure_blocks(Evaluation(candidate.hash, "", failure=failure, output=output)) if failure else block(output)
    page = [told, block(first_sentence(candidate.source)), show_code(candidate.source).html]
    return "".join(map(str, page)), f"{failure}{failure.output}" if failure else output


def honest_trouble(nursery: Nursery, level: Level) -> str:
    """Return what is wrong with an honest run in this nursery, "" if every bit is as it should be."""
    clip, frames = clips()["A"], []
    coded = nursery.encode(clip, HONEST_QP)
    if isinstance(coded, Failure):
        return f"the honest encoder fails: {coded}"
    decoded = nursery.decode(coded.container, lambda index, frame: frames.append(_bytes(frame)))
    if isinstance(decoded, Failure):
        return f"the honest decoder fails: {decoded}"
    container, expected = expected_honest(level)
    if coded.container.data != container:
        return "the honest encoder's container differs"
    return "" if frames == expected else "the honest decoder's frames differ"


@cache
def expected_honest(level: Level) -> tuple[bytes, list[bytes]]:
    """Return container and frames of the honest codec, run before anything hostile was near."""
    frames: list[bytes] = []
    with Nursery(Candidate(honest()), LIMITS, level) as nursery:
        coded = nursery.encode(clips()["A"], HONEST_QP)
        assert isinstance(coded, Coded)
        nursery.decode(coded.container, lambda index, frame: frames.append(_bytes(frame)))
    assert len(frames) == FRAMES
    return coded.container.data, frames


@cache
def jail_uid(level: Level) -> int:
    """Return the uid, as seen from here, of candidates at `level`."""
    with Nursery(Candidate(honest()), LIMITS, level):
        below = psutil.Process().children(recursive=True)
        return int(max(below, key=lambda process: process.create_time()).uids().real)


# --- without it -----------------------------------------------------------------------------------------------


def control_uid() -> int:
    return NOBODYS_UID if os.geteuid() == 0 else os.getuid()


def in_the_open(attack: Attack, world: World) -> Outcome:
    """Run the attack without the jail, as an unprivileged user, in a throw-away folder."""
    config = {"qp": ATTACK_QP, "width": WIDTH, "height": HEIGHT, "fps": 25.0, "frame_count": FRAMES}
    order = {
        "source": attack.source(world.places),
        "layout": attack.layout,
        "uid": control_uid(),
        "folder": str(world.folder / "cwd"),
        "canary": str(world.folder / "canary"),
        "clips": {name: base64.b64encode(clip.data.tobytes()).decode() for name, clip in needed_clips(attack).items()},
        "config": config,
        "decodes": attack.decodes,
        "patience_s": PATIENCE_WITH_HANGS_S if attack.sign == "hang" else PATIENCE_S,
    }
    started = time.monotonic()
    control = subprocess.Popen(
        [sys.executable, str(CONTROL)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "HOSTILE_NAME": world.name, "HOSTILE_KEY": world.token, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )  # fmt: skip
    try:
        answer, errors = control.communicate(json.dumps(order).encode(), timeout=60.0)
    except subprocess.TimeoutExpired:
        control.kill()
        answer, errors = control.communicate()
    if control.returncode < 0:
        return Outcome(f"killed by {signal.Signals(-control.returncode).name}", b"", "", fell=True)
    assert control.returncode == 0, f"the control itself failed after {time.monotonic() - started:.1f} s: {errors!r}"
    return _outcome(json.loads(answer))


def _outcome(report: dict[str, object]) -> Outcome:
    runs: list[dict[str, object]] = report.get("runs", [])  # type: ignore[assignment]
    output = str(report.get("output", ""))
    replies = [[base64.b64decode(body) for body in run["replies"]] for run in runs]  # type: ignore[attr-defined]
    decoded = {str(run["clip"]): body[0][:WIDTH] for run, body in zip(runs, replies, strict=True)
               if run["op"] == "decode" and body and body[0]}  # fmt: skip
    return Outcome(
        verdict=json.dumps([{key: run[key] for key in ("op", "status", "hung")} for run in runs]),
        came_out=b"".join(map(b"".join, replies)) + output.encode(),
        output=output,
        first_samples=decoded,
        taken=bool(runs) and all(bool(run["taken"]) for run in runs),
        fell=bool(report.get("nursery_ended")) or any(os.WIFSIGNALED(int(run["status"] or 0)) for run in runs),  # type: ignore[call-overload]
        hung=any(bool(run["hung"]) for run in runs) or not report.get("loaded", True),
        left=[str(one) for one in report.get("left", ())],  # type: ignore[attr-defined]
        input_changed=bool(report.get("input_changed")),
        page=output,
    )


@contextlib.contextmanager
def key_in_the_environment(world: World):  # type: ignore[no-untyped-def]
    """Hold the token in this process's own environment, as a key would be, while an attack runs."""
    os.environ["HOSTILE_KEY"] = world.token
    try:
        yield
    finally:
        del os.environ["HOSTILE_KEY"]
