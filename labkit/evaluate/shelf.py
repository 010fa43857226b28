"""Rate points measured before: the same program on the same clip is never coded twice."""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from labkit.candidate import Candidate, Check, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.container import Container
from labkit.errors import ContainerError, LabkitError
from labkit.evaluate.measure import Measured
from labkit.jail import Level, Limits
from labkit.rd import RDPoint, rate_kbps

_LOG = logging.getLogger(__name__)

LIMIT_BYTES = 2 * 2**30

_FORMAT = 1
_DECIDES = (
    "clip.py", "container.py", "rd.py", "evaluate/measure.py", "metrics/*.py", "jail/fence.py", "jail/limits.py",
    "jail/nursery.py", "jail/telling.py", "jail/warden.py", "jail/warmup.py", "jail/wire.py", "jail/worker.py",
)  # fmt: skip
"""What codes, counts and measures: the text of these files of labkit is part of every key."""
_CHECKS = ("evaluate/confirm.py", "evaluate/stress.py", "footage/synthetic.py")
"""What checks are made of: part of the key of a check, so that none outlives a stricter one."""
_LIBRARIES = ("constriction", "numba", "numpy", "opencv-python-headless", "scipy", "torch")

LASTING = frozenset({
    FailureKind.RAISED, FailureKind.LEFT, FailureKind.WRONG_TYPE, FailureKind.WRONG_SHAPE,
    FailureKind.TOO_LARGE, FailureKind.NO_CONTRACT,
})  # fmt: skip
"""Kinds of failures that are kept; of the others a busy machine may be the cause."""


@dataclass(frozen=True)
class Found:
    """What was kept of one clip at one QP; the picture is None if none was made."""

    measured: Measured
    picture: bytes | None


@dataclass(frozen=True)
class PointShelf:
    """Rate points, and failures that would come again, in a folder; each file holds the container it tells of.

    The key is all that decides a point: program, clip, QP, wall, limits, the lab's own text where it codes and
    measures, versions and machine. A file that is damaged, or does not agree with itself, is measured
    again and a warning is logged. Any number of threads and processes may share a folder.

    Attributes:
        folder: made when needed.
        limit_bytes: beyond this, what was not used for longest is removed.
    """

    folder: Path
    limit_bytes: int = LIMIT_BYTES

    def drawer(self, candidate: Candidate, limits: Limits, level: Level) -> "Drawer":
        """Return the part of the shelf that belongs to one candidate under these limits behind this wall."""
        mine = {"candidate": candidate.hash, "limits": asdict(limits), "level": str(level)}
        return Drawer(self.folder, {**_circumstances(), **mine})

    def tidy(self) -> None:
        """Remove what was not used for longest, until the rest is within the limit."""
        kept = []
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):  # another process tidies up, too
                kept.append((path.stat().st_mtime_ns, path.stat().st_size, path))
        excess = sum(size for _, size, _ in kept) - self.limit_bytes
        for _, size, path in sorted(kept):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


@dataclass(frozen=True)
class Drawer:
    """The points of one candidate. No clip and no QP stand for its loading, of which only a failure is kept."""

    folder: Path
    circumstances: Mapping[str, Any]

    def holds(self, clip: Clip | None, qp: int | None) -> bool:
        """Return whether there is a file, whatever it may be worth."""
        return self._path(self._key(clip, qp)).exists()

    def find(self, clip: Clip | None, qp: int | None) -> Found | None:
        """Return what was kept, None if there is nothing that can be believed.

        Raises:
            LabkitError: the folder cannot be read.
        """
        key = self._key(clip, qp)
        path = self._path(key)
        try:
            data = path.read_bytes()
            with contextlib.suppress(OSError):  # a folder that can only be read is of use, too
                os.utime(path)
            return _parsed(data, key, clip)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _trouble(path, error) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ContainerError) as error:
            _LOG.warning("point cache %s is no use (%s); the point is measured again", path, error)
            return None

    def put(self, clip: Clip | None, qp: int | None, measured: Measured, picture: bytes | None = None) -> None:
        """Keep a whole file or none; a failure that the machine may have caused is not kept.

        Raises:
            LabkitError: the folder cannot be written.
        """
        if isinstance(measured.outcome, Failure) and measured.outcome.kind not in LASTING:
            return
        key = self._key(clip, qp)
        path = self._path(key)
        _write(path, _packed(key, measured, picture))

    def find_check(self, kind: str, about: Sequence[RDPoint]) -> Check | None:
        """Return a check that was passed before by the same program with the same bitstreams; None if there is none."""
        key = self._check_key(kind, about)
        path = self._path(key).with_suffix(".check")
        try:
            head = json.loads(path.read_bytes())
            seal = head.pop("sha256")
            if head["key"] != json.loads(_text(key)) or seal != _seal(head, b""):
                raise ValueError("it was changed, or made for something else")
            return Check(**head["check"])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _trouble(path, error) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            _LOG.warning("point cache %s is no use (%s); the check is made again", path, error)
            return None

    def put_check(self, check: Check, about: Sequence[RDPoint]) -> None:
        """Keep a check that was passed; one that was lost is made again.

        Raises:
            LabkitError: the folder cannot be written.
        """
        if check.passed:
            key = self._check_key(check.kind, about)
            head = {"key": key, "check": asdict(replace(check, wall_s=0.0, cpu_s=0.0))}
            _write(self._path(key).with_suffix(".check"), _text({**head, "sha256": _seal(head, b"")}))

    def _check_key(self, kind: str, about: Sequence[RDPoint]) -> dict[str, Any]:
        seen = [(point.clip_hash, point.qp, point.bitstream_sha256, list(point.frame_hashes)) for point in about]
        return {**self.circumstances, "check": kind, "made_by": _own_text(_CHECKS), "about": sorted(seen)}

    def _key(self, clip: Clip | None, qp: int | None) -> dict[str, Any]:
        return {**self.circumstances, "clip": clip.hash if clip else None, "qp": qp}

    def _path(self, key: Mapping[str, Any]) -> Path:
        digest = hashlib.sha256(_text(key)).hexdigest()
        return self.folder / digest[:2] / f"{digest}.point"


# --- one file: a line of JSON, the container, the picture --------------------------------------------------


def _packed(key: Mapping[str, Any], measured: Measured, picture: bytes | None) -> bytes:
    body = measured.container + (picture or b"")
    head = {
        "key": key,
        "kind": "failure" if measured.failed() else "point",
        "outcome": asdict(measured.outcome),
        "container_bytes": len(measured.container),
        "has_picture": picture is not None,
    }
    return _text({**head, "sha256": _seal(head, body)}) + b"\n" + body


def _parsed(data: bytes, key: Mapping[str, Any], clip: Clip | None) -> Found:
    """Return what a file holds; raise ValueError or the like for one that cannot be believed."""
    line, _, body = data.partition(b"\n")
    head: dict[str, Any] = json.loads(line)
    seal = head.pop("sha256")
    if head["key"] != json.loads(_text(key)):
        raise ValueError("it was made for something else")
    if seal != _seal(head, body):
        raise ValueError("it was changed after it was written")
    container, picture = body[: head["container_bytes"]], body[head["container_bytes"] :]
    name = clip.name if clip else ""  # the same video may have another name now
    if head["kind"] == "failure":
        failure = _failure(head["outcome"])
        return Found(Measured(replace(failure, clip=name if failure.clip else ""), container), picture or None)
    point = _point(head["outcome"])
    _check(point, Container.parse(container), key)
    return Found(Measured(replace(point, clip=name), container), picture if head["has_picture"] else None)


def _point(values: dict[str, Any]) -> RDPoint:
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    lists["reported"] = tuple((name, amount) for name, amount in values["reported"])
    return RDPoint(**(values | lists))


def _failure(values: dict[str, Any]) -> Failure:
    return Failure(**(values | {"stage": Stage(values["stage"]), "kind": FailureKind(values["kind"])}))


def _check(point: RDPoint, container: Container, key: Mapping[str, Any]) -> None:
    """Raise ValueError unless the point tells of this container and this key."""
    told = (
        point.candidate, point.clip_hash, point.qp, point.bitstream_sha256, point.bytes, point.frame_bytes,
        point.rate_kbps,
    )  # fmt: skip
    size = len(container.data)
    true = (
        key["candidate"], key["clip"], key["qp"], container.sha256, size, tuple(map(len, container.payloads)),
        rate_kbps(size, container.frame_count, float(container.fps)),
    )  # fmt: skip
    if told != true or container.qp != point.qp:
        raise ValueError("its figures are not those of its container")


def _seal(head: Mapping[str, Any], body: bytes) -> str:
    return hashlib.sha256(_text(head) + body).hexdigest()


def _text(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True).encode()


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise _trouble(path, error) from error


def _trouble(path: Path, error: OSError) -> LabkitError:
    return LabkitError(f"point cache {path}: {error.strerror}; choose a folder you may write to")


# --- what decides every point ------------------------------------------------------------------------------


@cache
def _circumstances() -> dict[str, Any]:
    """Return what decides a point besides the candidate, the clip and what was asked for."""
    return {
        "format": _FORMAT,
        "labkit": _own_text(_DECIDES),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()} {_processor()}",
    }


@cache
def _own_text(patterns: tuple[str, ...]) -> str:
    """Return a hash over files of labkit."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        text = path.read_bytes()
        digest.update(f"{path.relative_to(root)} {len(text)}\n".encode() + text)
    return digest.hexdigest()


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _processor() -> str:
    """Return the processor's name: libraries choose their code by it, and their floats may differ."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
