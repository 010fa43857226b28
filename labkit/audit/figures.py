"""What a rate point's figures say of each other: identity, hashes, and sums that must agree."""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from statistics import fmean
from typing import Any

from labkit.audit.finding import Finding, failed, stated, unless
from labkit.audit.recorded import Recorded
from labkit.clip import frame_bytes
from labkit.container import Container, Form
from labkit.jail import Level
from labkit.ledger import DEVELOPMENT, GOAL, HELD_OUT_ROLE
from labkit.rd import RDPoint, rate_kbps

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BITS_OF_A_LENGTH = 7


def check_figures(recorded: Recorded) -> list[Finding]:
    """Return whether each rate point names what was run on what, and whether its figures agree."""
    clips, faults, count = recorded.clips, [], 0
    for what, point, identity in _points(recorded):
        count += 1
        reasons = [*_identity(point, identity, clips)] or _sums(
            point, clips[point.clip], identity.startswith("anchor:")
        )
        faults += [failed(f"rate point of {what}, {point.clip} at {point.qp}", reason) for reason in reasons]
    told = f"{count}: program, clip and bitstream named; rate, sizes by frame and mean luma PSNR follow from each other"
    return unless(faults, "rate points", told)


def _points(recorded: Recorded) -> Iterator[tuple[str, RDPoint, str]]:
    """Yield each rate point, whose it is in words, and what its `candidate` must be."""
    hashes = {row.number: row.candidate for row in recorded.rows("proposals")}
    for entry in recorded.entries:
        for point in entry.evaluation.points if entry.evaluation else ():
            yield f"entry {entry.number}", point, hashes[entry.number]
    for number, evaluation in recorded.held_out.items():
        for point in evaluation.points:
            yield f"entry {number}, held out", point, hashes.get(number, "")
    for number, points in recorded.ledger.goal_points().items():
        yield from ((f"entry {number}, goal", point, hashes.get(number, "")) for point in points)
    for role in (DEVELOPMENT, HELD_OUT_ROLE, GOAL):
        for name, by_clip in recorded.ledger.anchors(role).items():
            for point in (point for points in by_clip.values() for point in points):
                yield name, point, f"anchor:{name}"


def _identity(point: RDPoint, candidate: str, clips: Mapping[str, Any]) -> Iterator[str]:
    if point.clip not in clips:
        yield "the clip is not recorded"
    elif point.clip_hash != clips[point.clip].hash:
        yield f"measured on {point.clip_hash[:12]}, the clip is {clips[point.clip].hash[:12]}"
    if point.candidate != candidate:
        yield f"made by {point.candidate[:12]}, expected {candidate[:12]}"
    if not _SHA256.fullmatch(point.bitstream_sha256):
        yield f"no hash of its bitstream: {point.bitstream_sha256[:70]!r}"


def _sums(point: RDPoint, clip: Any, by_anchor: bool) -> list[str]:
    fps = float(Fraction(clip.fps))
    size = sum(point.frame_bytes) if by_anchor else _container_bytes(point, clip)
    expected = {
        "rate_kbps": (point.rate_kbps, rate_kbps(point.bytes, clip.frames, fps)),
        "bytes": (point.bytes, size),
        "raw_bytes": (point.raw_bytes, clip.frames * frame_bytes(clip.width, clip.height)),
        "the number of frame_psnr_y_db": (len(point.frame_psnr_y_db), clip.frames),
        "psnr_y_db": (point.psnr_y_db, fmean(point.frame_psnr_y_db or (0,))),
    }
    if point.frame_hashes:
        expected["the number of frame_hashes"] = (len(point.frame_hashes), clip.frames)
    if by_anchor or len(point.frame_bytes) != 1:  # one payload: a whole-clip codec
        expected["the number of frame_bytes"] = (len(point.frame_bytes), clip.frames)
    return [f"{name} is {have}, the rest of the row makes it {want}" for name, (have, want) in expected.items()
            if have != want]  # fmt: skip


def _container_bytes(point: RDPoint, clip: Any) -> int:
    """Return the size of a container with these payloads: header, and each payload behind its length."""
    empty = Container(Form.CLIP, 0, clip.width, clip.height, Fraction(clip.fps), clip.frames, ())
    return len(empty.data) + sum(
        size + max(1, -(-size.bit_length() // _BITS_OF_A_LENGTH)) for size in point.frame_bytes
    )


# --- the wall ----------------------------------------------------------------------------------------------


def check_isolation(recorded: Recorded) -> list[Finding]:
    """Return whether every candidate ran behind the wall that the campaign began with."""
    begun = [(row.number, Level.of(row.isolation)) for row in recorded.begun.values()]
    if not begun:
        return []
    first = begun[0][1]
    seen = [(f"generation {number}", level) for number, level in begun]
    for table in ("evaluations", "held_out_evaluations"):
        seen += [(f"{table}, entry {r.proposal}", Level.of(r.isolation)) for r in recorded.rows(table)]
    faults = [
        failed(what, f"isolation {level}; the campaign began at {first} and goes on behind no other wall")
        for what, level in seen
        if level is not first
    ]
    allowed = recorded.settings.run_candidates_without_isolation
    if first is Level.NONE and not allowed:
        faults.append(failed("isolation", "none, and the settings did not ask for that"))
    found = unless(faults, "isolation", f"all rows name {first}, at which the campaign began")
    warning = "WARNING: candidates ran without any wall: they could read clips and change files, figures do not compare"
    return [*found, stated("isolation", warning)] if Level.NONE in (level for _, level in seen) else found
