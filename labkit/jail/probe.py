"""The wall is believed when it has been attacked: probes in the real jail, beside one honest codec."""

import contextlib
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from labkit.candidate import Candidate, Failure
from labkit.clip import Clip, Frame
from labkit.errors import JailError
from labkit.jail.level import Level, choose
from labkit.jail.limits import Limits
from labkit.jail.nursery import Nursery

_ATTACK = Path(__file__).with_name("attack.py")
_HONEST = """
import numpy as np

def compress_video_frame(frame, frame_index, config):
    return b"".join(plane.tobytes() for plane in frame)

def decompress_video_frame(data, frame_index, config):
    h, w = config["height"], config["width"]
    y, u, v = np.split(np.frombuffer(data, np.uint8), [h * w, h * w + h * w // 4])
    return y.reshape(h, w), u.reshape(h // 2, w // 2), v.reshape(h // 2, w // 2)
"""
_SHOWN = ("read_a_file", "write_a_file", "open_a_socket", "start_a_process", "kill_a_process")
"""The attacks, by their names in attack.py."""


@dataclass(frozen=True)
class Wall:
    """The level that candidates run behind, and what the probes found; stored with every result."""

    level: Level
    probed: str = "not probed"

    def __str__(self) -> str:
        return f"{self.level} ({self.probed})" if self.level.fenced else f"{self.level} (not comparable)"

    @property
    def note(self) -> str:
        """One line for people."""
        return f"{self.level.note}; {self.probed}" if self.level.fenced else self.level.note


def raise_wall(minimum: Level = Level.FILTERED, without: bool = False, exactly: Level | None = None) -> Wall:
    """Return the wall of this machine, attacked before it is believed.

    Args:
        minimum: refuse to go on with anything weaker.
        without: no wall at all; for code that you would run yourself, and never by default.
        exactly: the level that a campaign began with: there is no other in the middle of it.

    Raises:
        JailError: the level does not stand here, or a probe broke through.
    """
    if without:
        return Wall(Level.NONE)
    strongest = choose(exactly or minimum)
    level = exactly or strongest
    return Wall(level, probe(level))


def probe(level: Level) -> str:
    """Attack the wall and run an honest codec behind it; return what was seen.

    Raises:
        JailError: an attack did its harm, or the honest codec did not run.
    """
    with ThreadPoolExecutor(2) as pool:
        try:
            attacked, honest = pool.submit(broken_through, level), pool.submit(_honest_failure, level)
        except RuntimeError as error:  # a thread is a process to the kernel's count
            raise JailError(f"isolation {level} cannot be probed: {error}: too many processes run here") from error
    if broken := attacked.result():
        raise JailError(
            f"isolation {level} does not hold here: {', '.join(broken)} succeeded from inside; "
            "nothing is run; `labkit doctor` shows each fence"
        )
    if honest.result():
        raise JailError(f"isolation {level}: an honest codec does not run behind it: {honest.result()}")
    return f"{len(_SHOWN)} of {len(_SHOWN)} probes held, honest codec exact"


def broken_through(level: Level) -> list[str]:
    """Return the names of the attacks that did harm, seen from outside or told by the attacker."""
    with _targets() as (targets, harmed):
        source = _ATTACK.read_text(encoding="utf-8").replace("TARGETS = {}", f"TARGETS = {targets!r}")
        with Nursery(Candidate(source), Limits(run_s=5.0), level) as nursery:
            coded = nursery.encode(_clip(), 32)
        if isinstance(coded, Failure):
            raise JailError(f"isolation {level}: the probes did not run: {coded}")
        told = coded.container.payloads[0].decode("utf-8", "replace")
        return [name for name in _SHOWN if f"{name}=" in told or harmed(name, told)]


@contextlib.contextmanager
def _targets() -> Iterator[tuple[dict[str, Any], Callable[[str, str], bool]]]:
    """Give what the attacks aim at, and a function that tells from outside whether one did its harm."""
    secret = secrets.token_hex(16)
    with (
        tempfile.TemporaryDirectory(prefix="labkit-probe-") as name,
        socket.create_server(("127.0.0.1", 0)) as listener,
        subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL) as decoy,
    ):
        folder, written = Path(name), Path(name) / "written"
        folder.chmod(0o777)  # it is the wall that must hold, not the owner of the folder
        (folder / "secret").write_text(secret)
        listener.setblocking(False)

        def connected() -> bool:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        seen: dict[str, Callable[[str], bool]] = {
            "read_a_file": lambda told: secret in told,
            "write_a_file": lambda told: written.exists(),
            "open_a_socket": lambda told: connected(),
            "start_a_process": lambda told: False,  # such a process ends at once: only the attacker can tell
            "kill_a_process": lambda told: decoy.poll() is not None,
        }
        port = listener.getsockname()[1]
        aims = {"secret": str(folder / "secret"), "written": str(written), "port": port, "process": decoy.pid}
        try:
            yield aims, lambda attack, told: seen[attack](told)
        finally:
            decoy.kill()


def _clip() -> Clip:
    samples = np.random.default_rng(0).integers(0, 256, (2, 32 * 16 * 3 // 2), dtype=np.uint8)
    return Clip("probe", samples, 32, 16, Fraction(25))


def _honest_failure(level: Level) -> str:
    """Return why an honest codec does not give its frames back exactly; "" if it does."""
    clip = _clip()
    wrong: list[int] = []

    def compare(index: int, frame: Frame) -> None:
        if not all(np.array_equal(a, b) for a, b in zip(frame, clip.frame(index), strict=True)):
            wrong.append(index)

    with Nursery(Candidate(_HONEST), Limits(), level) as nursery:
        coded = nursery.encode(clip, 32)
        decoded = coded if isinstance(coded, Failure) else nursery.decode(coded.container, compare)
    if isinstance(decoded, Failure):
        return str(decoded)
    return f"frames {wrong} came back changed" if wrong else ""
