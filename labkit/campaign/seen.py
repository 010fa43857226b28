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
from labkit.evaluate import Keep, decode
from labkit.jail import Limits
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
    ledger: Ledger, entry: Entry, clips: Sequence[Clip], keep: Keep, limits: Limits, anchors: Sequence[str], say: Say
) -> None:
    """Record the VMAF of a version's kept bitstreams, and of the reference encoder if it is one of `anchors`."""
    ffmpeg, known = must_find(), ledger.vmaf()
    for clip in clips:
        for point in entry.evaluation.on(clip.name) if entry.evaluation else ():
            if (clip.name, point.qp) not in known.get(entry.number, {}):
                container = Container.parse(keep.path(clip.name, point.qp, ".lkv").read_bytes())
                frames = decode(entry.candidate, container, limits)
                if isinstance(frames, Failure):
                    raise VmafError(f"{clip.name} at QP {point.qp} decoded before and fails now: {frames}")
                _record(ledger, entry.number, clip, point.qp, frames, ffmpeg, say)
        for point in ledger.anchors().get(REFERENCE, {}).get(clip.name, ()) if REFERENCE in anchors else ():
            if (clip.name, point.qp) not in known.get(REFERENCE, {}):
                _record(ledger, REFERENCE, clip, point.qp, _anchor_frames(clip, point.qp), ffmpeg, say)


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
