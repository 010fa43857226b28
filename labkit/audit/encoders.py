"""The real encoders' points, encoded again: one clip with every anchor whose encoder is still the recorded one."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from labkit.anchors import ANCHORS, AnchorShelf
from labkit.audit.finding import Finding, failed, proven, stated
from labkit.audit.footage import Footage
from labkit.audit.recorded import Recorded
from labkit.audit.same import differences
from labkit.errors import AnchorError
from labkit.metrics import Distortion
from labkit.rd import RDPoint

_CLOCKS = ("encode_s", "decode_s")


def check_encoders(
    recorded: Recorded, footage: Footage, encode: bool, progress: Callable[[int, int, str], None]
) -> list[Finding]:
    """Return whether real encoders give the recorded points again, if `encode`; else that they were not asked."""
    measured = recorded.anchors
    if not measured:
        return []
    if not encode:
        return [stated("anchors", f"{', '.join(measured)} were not run again; `--anchors` does it for one clip")]
    then = recorded.ledger.versions().get("av", "unknown")
    if then != version("av"):
        return [stated("anchors", f"not run again: PyAV {then} has measured them, {version('av')} is here")]
    clips = sorted(footage.clips.values(), key=lambda clip: clip.data.nbytes)
    clip = next((clip for clip in clips if any(clip.name in by_clip for by_clip in measured.values())), None)
    if clip is None:
        return [stated("anchors", "not run again: none of their clips can be read")]
    findings = []
    for done, (name, by_clip) in enumerate(measured.items()):
        progress(done, len(measured), f"{name} on {clip.name}")
        findings += _again(name, by_clip.get(clip.name, ()), footage, clip.name, bool(recorded.other_versions))
    return findings


def _again(name: str, points: Sequence[RDPoint], footage: Footage, clip: str, near: bool) -> list[Finding]:
    what = f"{name} on {clip}"
    faults: list[Finding] = []
    with TemporaryDirectory() as scratch:  # a shelf of its own: what was kept before proves nothing
        shelf = AnchorShelf(Path(scratch), Distortion)
        for point in points:
            try:
                again = asdict(shelf.point(footage.clips[clip], ANCHORS[name], point.qp))
            except AnchorError as error:
                return [*faults, stated(what, f"not run again: {error}")]
            wrong = differences(asdict(point), {k: v for k, v in again.items() if k not in _CLOCKS}, near)
            faults += [failed(f"{what} at {point.qp}", line) for line in wrong]
    return faults or [proven(what, f"{len(points)} points encoded again: the same bytes, the same figures")]
