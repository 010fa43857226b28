"""The kept containers: each has the recorded size and hash, and decodes to the stated figures with that very source."""

import dataclasses
import hashlib
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np

from labkit.audit.finding import Finding, Kind, failed, proven, stated
from labkit.audit.footage import Footage
from labkit.audit.recorded import Recorded
from labkit.audit.same import differences
from labkit.candidate import Failure
from labkit.clip import Clip, Frame
from labkit.container import Container
from labkit.errors import ContainerError, JailError
from labkit.evaluate import Keep, held_out_folder
from labkit.jail import Limits, Nursery, choose
from labkit.ledger import Entry
from labkit.metrics import Distortion, frame_hash
from labkit.rd import RDPoint

_UNREADABLE = (
    OSError, ValueError, TypeError, LookupError, EOFError, RuntimeError, MemoryError, SyntaxError, BadZipFile,
    zlib.error, TokenError,
)  # fmt: skip
"""What comes of a picture with a few other bits: in its directory, its headers or what they pack."""

PATIENCE = 4
"""So many times the campaign's limits of time: a slower machine is no fraud."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Kept:
    """A container that is what the ledger says of it."""

    point: RDPoint
    path: Path
    container: Container


def check_containers(
    recorded: Recorded, footage: Footage, decode: bool = True, progress: Progress = lambda done, total, what: None
) -> list[Finding]:
    """Return what the kept containers prove of the figures of their entries.

    Args:
        decode: run the candidates' decoders behind the wall; else sizes and hashes are all that is looked at.
    """
    findings: list[Finding] = []
    kept: list[tuple[Entry, list[Kept]]] = []
    for entry in recorded.entries:
        found, good = _of_entry(recorded, entry)
        findings += found
        if good:
            kept.append((entry, good))
    reason = "" if decode else "no candidate was run, as asked"
    try:
        choose()
    except JailError as error:
        reason = reason or str(error)
    if reason:
        return [*findings, stated("containers", f"none was decoded: {reason}")] if kept else findings
    return [*findings, *_decode_all(recorded, footage, kept, progress)]


def name_of(entry: Entry) -> str:
    """Return an entry for people: "v1 (entry 4)"."""
    return f"entry {entry.number}" if entry.version is None else f"v{entry.version} (entry {entry.number})"


# --- size and hash -----------------------------------------------------------------------------------------


def _of_entry(recorded: Recorded, entry: Entry) -> tuple[list[Finding], list[Kept]]:
    """Return what is wrong with an entry's containers, and those that are as recorded."""
    folder = recorded.folder / "bitstreams" / f"{entry.number:04d}"
    hidden = recorded.held_out.get(entry.number)
    findings: list[Finding] = []
    kept: list[Kept] = []
    for what, evaluation, keep in (
        (name_of(entry), entry.evaluation, Keep(folder)),
        (f"{name_of(entry)}, held out", hidden, Keep(held_out_folder(folder))),
    ):
        points = evaluation.points if evaluation else ()
        there = {point: path for point in points if (path := keep.path(point.clip, point.qp, ".lkv")).exists()}
        for point, path in there.items():
            container = read_recorded(path, point)
            if isinstance(container, str):
                findings.append(failed(_shown(recorded, path), container))
            else:
                kept.append(Kept(point, path, container))
        if missing := [point for point in points if point not in there]:
            findings += _missing(recorded, entry, what, missing, keep, len(points))
    return findings, kept


def _missing(
    recorded: Recorded, entry: Entry, what: str, missing: Sequence[RDPoint], keep: Keep, of: int
) -> Iterator[Finding]:
    if entry.version is None:
        yield stated(what, f"{len(missing)} of {of} containers are not kept: its figures stand alone")
        return
    for point in missing:
        path = keep.path(point.clip, point.qp, ".lkv")
        yield failed(_shown(recorded, path), f"is gone: nothing proves the figures of {name_of(entry)} there")


def _shown(recorded: Recorded, path: Path) -> str:
    return str(path.relative_to(recorded.folder))


def read_recorded(path: Path, point: RDPoint) -> Container | str:
    """Return the container, or in what it is not the recorded one."""
    data = path.read_bytes()
    if len(data) != point.bytes:
        return f"has {len(data):,} bytes, the ledger says {point.bytes:,}"
    found = hashlib.sha256(data).hexdigest()
    if found != point.bitstream_sha256:
        return f"has SHA-256 {found[:16]}, the ledger says {point.bitstream_sha256[:16]}"
    try:
        container = Container.parse(data)
    except ContainerError as error:
        return str(error)
    if container.qp != point.qp or tuple(map(len, container.payloads)) != point.frame_bytes:
        return (
            f"is of QP {container.qp} with payloads of other sizes than the ledger's row of {point.clip} at {point.qp}"
        )
    return container


# --- decoded once more -------------------------------------------------------------------------------------


def _decode_all(
    recorded: Recorded, footage: Footage, kept: Sequence[tuple[Entry, Sequence[Kept]]], progress: Progress
) -> Iterator[Finding]:
    limits = recorded.settings.limits
    patient = dataclasses.replace(
        limits, decode_s=PATIENCE * limits.decode_s, run_s=PATIENCE * limits.run_s,
        load_cpu_s=PATIENCE * limits.load_cpu_s,
    )  # fmt: skip
    stop = threading.Event()
    total, done = sum(len(containers) for _, containers in kept), 0

    def step(what: str) -> None:
        nonlocal done
        done += 1
        progress(done, total, what)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(_decode_entry, recorded, footage, entry, containers, patient, stop, step)
            for entry, containers in kept
        ]
        try:
            for job in jobs:
                yield from job.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _decode_entry(
    recorded: Recorded, footage: Footage, entry: Entry, kept: Sequence[Kept], limits: Limits, stop: threading.Event,
    step: Callable[[str], None],
) -> list[Finding]:  # fmt: skip
    """Decode what is kept of one entry, in one nursery; say of each container whether it holds what is stated."""
    findings: list[Finding] = []
    compared = 0
    with Nursery(entry.candidate, limits, stop=stop) as nursery:
        for index, one in enumerate(kept):
            name = _shown(recorded, one.path)
            clip = footage.clips.get(one.point.clip)
            if nursery.failure is not None:  # such a nursery runs nothing more
                findings.append(stated(name_of(entry), f"{len(kept) - index} containers were not decoded after that"))
                break
            if clip is None:
                findings.append(
                    stated(name, f"not decoded: {footage.missing.get(one.point.clip, 'its clip is not recorded')}")
                )
            else:
                faults = _decode(recorded, nursery, one, clip)
                findings += [failed(name, f"with the source of {name_of(entry)}: {fault}") for fault in faults]
                compared += 1
            step(f"{name_of(entry)}, {one.point.clip} at {one.point.qp}")
    if compared and not any(finding.kind is Kind.FAILED for finding in findings):
        near = " (within a millionth)" if recorded.other_versions else ""
        told = f"{compared} containers have the recorded size and hash and decode to the stated figures{near}"
        findings.insert(0, proven(name_of(entry), told))
    return findings


def _decode(recorded: Recorded, nursery: Nursery, one: Kept, clip: Clip) -> list[str]:
    """Return in what a decoded container differs from what is stated."""
    header = (one.container.width, one.container.height, one.container.frame_count, one.container.fps)
    if header != (clip.width, clip.height, len(clip), clip.fps):
        return [f"its header tells of another video than {clip.name}"]
    distortion, hashes, picture = Distortion(clip.width, clip.height), [], _picture(one.path)
    wrong: list[str] = [picture] if isinstance(picture, str) else []

    def score(index: int, frame: Frame) -> None:
        distortion.add(clip.frame(index), frame)
        hashes.append(frame_hash(frame))
        if isinstance(picture, dict) and index == int(picture["index"]) and not _is(frame, picture):
            wrong.append(f"{one.path.with_suffix('.npz').name} shows another picture than frame {index}")

    outcome = nursery.decode(one.container, score, clip.name)
    if isinstance(outcome, Failure):
        return [f"does not decode: {outcome}"]
    measured = dataclasses.asdict(distortion.result())
    if one.point.frame_hashes:
        measured["frame_hashes"] = tuple(hashes)
    return wrong + differences(dataclasses.asdict(one.point), measured, bool(recorded.other_versions))


def _picture(path: Path) -> dict[str, np.ndarray] | str | None:
    """Return the picture that is kept beside a container, why it cannot be read, or None where there is none."""
    picture = path.with_suffix(".npz")
    if not picture.exists():
        return None
    try:
        with np.load(picture) as arrays:
            return {name: arrays[name] for name in ("y", "u", "v")} | {"index": np.int64(arrays["index"])}
    except _UNREADABLE as error:
        return f"{picture.name} cannot be read: {error}"


def _is(frame: Frame, picture: Mapping[str, np.ndarray]) -> bool:
    return all(np.array_equal(plane, picture[name]) for plane, name in zip(frame, "yuv", strict=True))
