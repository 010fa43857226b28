"""VMAF of versions and of the reference encoder: a figure for reports, which decides nothing."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from labkit import vmaf
from labkit.adopt import REFERENCE
from labkit.anchors import ANCHORS
from labkit.anchors import decode as decode_anchor
from labkit.anchors import encode as encode_anchor
from labkit.candidate import Failure
from labkit.clip import Clip, Frame
from labkit.container import Container
from labkit.errors import AnchorError, VmafError
from labkit.evaluate import Keep
from labkit.jail import Limits, Nursery, Wall
from labkit.ledger import Entry, Ledger

Say = Callable[[str], None]


def must_find() -> Path:
    """Return an ffmpeg that can measure VMAF.

    Raises:
        VmafError: there is none.
    """
    if (found := vmaf.find()) is None:
        raise VmafError(f"{vmaf.MISSING}, or leave --vmaf out")
    return found


def record_vmaf(
    ledger: Ledger, entry: Entry, clips: Sequence[Clip], keep: Keep, limits: Limits, wall: Wall,
    anchors: Sequence[str], say: Say,
) -> None:  # fmt: skip
    """Record the VMAF of a version's kept bitstreams, and of the reference encoder if it is one of `anchors`.

    Raises:
        VmafError: there is no ffmpeg for it, or a bitstream that was decoded before fails now.
    """
    ffmpeg, known = must_find(), ledger.vmaf()
    evaluation = entry.evaluation
    missing = [
        (clip, point) for clip in clips for point in (evaluation.on(clip.name) if evaluation else ())
        if (clip.name, point.qp) not in known.get(entry.number, {})
    ]  # fmt: skip
    if missing:
        with Nursery(entry.candidate, limits, wall.level) as nursery:
            for clip, point in missing:
                frames = _kept_frames(nursery, keep, clip, point.qp)
                _record(ledger, entry.number, clip, point.qp, frames, ffmpeg, say)
    for clip in clips if REFERENCE in anchors else ():
        for point in ledger.anchors().get(REFERENCE, {}).get(clip.name, ()):
            if (clip.name, point.qp) not in known.get(REFERENCE, {}):
                _record(ledger, REFERENCE, clip, point.qp, _anchor_frames(clip, point.qp), ffmpeg, say)


def _kept_frames(nursery: Nursery, keep: Keep, clip: Clip, qp: int) -> list[Frame]:
    frames: list[Frame] = []
    container = Container.parse(keep.path(clip.name, qp, ".lkv").read_bytes())
    outcome = nursery.failure or nursery.decode(container, lambda index, frame: frames.append(frame), clip.name)
    if isinstance(outcome, Failure):
        raise VmafError(f"{clip.name} at QP {qp} was decoded before and fails now: {outcome}")
    return frames


def _anchor_frames(clip: Clip, crf: int) -> Iterable[Frame]:
    spec = ANCHORS[REFERENCE]
    return decode_anchor(spec, encode_anchor(spec, clip, crf), clip.width, clip.height)


def _record(
    ledger: Ledger, who: int | str, clip: Clip, qp: int, frames: Iterable[Frame], ffmpeg: Path, say: Say
) -> None:
    say(f"{clip.name} QP {qp}")
    try:
        found = vmaf.measure(clip, frames, ffmpeg)
    except (VmafError, AnchorError) as error:  # a figure for reports: the campaign stands without it
        ledger.record_alert(0, "no VMAF", f"{clip.name}: {error}")
    else:
        ledger.record_vmaf(who, clip.name, qp, found.mean, found.model, found.ffmpeg)
