"""Confirm a would-be adoption from a fresh nursery: the same bytes, the same pixels, the same figures once more.

Each run of one nursery starts from the same memory, so what hangs on addresses, on a seed drawn at load or on
the clock may agree with itself there and nowhere else: only another nursery tells.
"""

import dataclasses
import hashlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from labkit.candidate import Candidate, Check, Evaluation, Failure, FailureKind, Stage
from labkit.clip import Clip, Frame
from labkit.container import Container, Form
from labkit.evaluate.measure import Keep
from labkit.jail import Limits, Nursery, Wall
from labkit.metrics import Distortion, frame_hash
from labkit.rd import RDPoint, rate_kbps

KIND = "confirmation"

_ROUNDING = 1e-9
"""What figures made from the same pixels may be off, as a share: another library may add them in another order."""


def confirm(
    candidate: Candidate,
    clips: Sequence[Clip],
    evaluation: Evaluation,
    keep: Keep,
    limits: Limits,
    wall: Wall,
    stop: threading.Event | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
    fresh: Nursery | None = None,
) -> Check:
    """Return whether a fresh nursery gives what `evaluation` recorded.

    Every clip is coded again at the middle one of its QPs, the clip with the fewest samples at each of its
    QPs; each container that was kept is decoded again, too.

    Args:
        clips: those of the evaluation.
        keep: where the evaluation has left its containers.
        fresh: a nursery that the evaluation has not used; None to start one.

    Returns:
        Not passed with a failure where the candidate differs or fails; not passed without one where nothing
        can be confirmed, for want of a container or of recorded frames: the detail says which.

    Raises:
        ValueError: the evaluation is another program's, failed, or was made on other clips.
        JailError: the wall cannot be raised, or `stop` was set.
    """
    started = time.monotonic()
    _must_belong(candidate, clips, evaluation)
    plan = _plan(clips, evaluation)
    if obstacle := _obstacle(plan, clips, keep):
        return Check(KIND, False, obstacle, wall_s=time.monotonic() - started)
    progress(0, len(plan), "loading in a fresh nursery")
    with nullcontext(fresh) if fresh else Nursery(candidate, limits, wall.level, stop=stop) as nursery:
        trouble: Failure | str = nursery.failure or ""
        for done, repeat in enumerate(plan):
            if not trouble:
                progress(done, len(plan), f"{repeat.place} again")
                trouble = repeat.run(nursery, keep)
        progress(len(plan), len(plan), "not confirmed" if trouble else "confirmed")
        failure = trouble if isinstance(trouble, Failure) else None
        detail = str(trouble) or _in_words(plan)
        return Check(KIND, not trouble, detail, failure, time.monotonic() - started, nursery.cpu_s)


@dataclasses.dataclass(frozen=True)
class _Repeat:
    """One rate point to be made again; `whole` where its figures are, too."""

    clip: Clip
    point: RDPoint
    whole: bool

    def kept(self, keep: Keep) -> Container:
        return Container.parse(keep.path(self.clip.name, self.point.qp, ".lkv").read_bytes())

    def run(self, nursery: Nursery, keep: Keep) -> Failure | str:
        """Return what differs from the first run, "" if nothing does."""
        kept = self.kept(keep)
        if nursery.form != kept.form:
            return self._other_form(nursery.form, kept.form)
        if trouble := self._decode(nursery, kept, "the container that was kept"):
            return trouble
        coded = nursery.encode(self.clip, self.point.qp)
        if isinstance(coded, Failure):
            return coded
        if coded.container.data != kept.data:
            return self._other_bytes(nursery, coded.container, kept)
        return self._figures(nursery, coded.container) if self.whole else ""

    def _decode(
        self, nursery: Nursery, container: Container, what: str, distortion: Distortion | None = None
    ) -> Failure | str:
        """Decode; return the first frame that differs from the recorded one, as a failure."""
        hashes: list[str] = []

        def take(index: int, frame: Frame) -> None:
            hashes.append(frame_hash(frame))
            if distortion:
                distortion.add(self.clip.frame(index), frame)

        decoded = nursery.decode(container, take, self.clip.name)
        if isinstance(decoded, Failure):
            return decoded
        frame = _first_other(hashes, self.point.frame_hashes)
        if frame is None:
            return ""
        detail = f"{what}: a frame of hash {hashes[frame]} came, expected {self.point.frame_hashes[frame]} as before"
        return self._varies(Stage.DECODE, detail, frame)

    def _figures(self, nursery: Nursery, container: Container) -> Failure | str:
        """Decode and score once more; return which figure differs though the pixels do not."""
        distortion = Distortion(self.clip.width, self.clip.height)
        if trouble := self._decode(nursery, container, "the container that was made again", distortion):
            return trouble
        size = len(container.data)
        came: dict[str, Any] = dataclasses.asdict(distortion.result())
        came |= {"bytes": size, "rate_kbps": rate_kbps(size, len(self.clip), float(self.clip.fps))}
        for name, value in came.items():
            recorded = getattr(self.point, name)
            if name != "frame_hashes" and not _same(value, recorded):
                return f"{self.place}: {name} is {value}, {recorded} was recorded, from the same bytes and pixels"
        return ""

    def _other_bytes(self, nursery: Nursery, came: Container, kept: Container) -> Failure:
        first = _first_other(came.payloads, kept.payloads)
        ours, theirs = (b"" if first is None else payloads[first] for payloads in (came.payloads, kept.payloads))
        start = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), "the end of one")
        detail = f"{_told(ours)} came, expected {_told(theirs)} as in the first run; they differ from byte {start} on"
        frame = first if came.form is Form.FRAME else self._first_other_picture(nursery, came)
        return self._varies(Stage.ENCODE, detail, frame)

    def _first_other_picture(self, nursery: Nursery, came: Container) -> int | None:
        """Return the first frame that looks different; None where all look the same or nothing can be decoded."""
        trouble = self._decode(nursery, came, "the container that was made again")
        return trouble.frame if isinstance(trouble, Failure) and trouble.kind is FailureKind.VARIES else None

    def _other_form(self, came: Form, kept: Form) -> Failure:
        detail = f"defines the {came.name.lower()} form, expected the {kept.name.lower()} form as in the first run"
        return Failure(Stage.LOAD, FailureKind.VARIES, detail)

    def _varies(self, stage: Stage, detail: str, frame: int | None) -> Failure:
        return Failure(stage, FailureKind.VARIES, detail, self.clip.name, self.point.qp, frame)

    @property
    def place(self) -> str:
        return f"{self.clip.name} at QP {self.point.qp}"

    def obstacle(self, keep: Keep) -> str:
        """Return why this point cannot be confirmed, "" if it can."""
        path = keep.path(self.clip.name, self.point.qp, ".lkv")
        if len(self.point.frame_hashes) != len(self.clip):
            return f"{self.place}: the decoded frames' hashes are not recorded; measure it again"
        try:
            held = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            return f"{self.place}: its container {path.name} is not there ({error.strerror}); measure it again"
        if held != self.point.bitstream_sha256:
            recorded = f"SHA-256 {self.point.bitstream_sha256[:12]} was recorded, {held[:12]} lies there"
            return f"{self.place}: its container {path.name} is not what was measured: {recorded}; measure it again"
        return ""


def _must_belong(candidate: Candidate, clips: Sequence[Clip], evaluation: Evaluation) -> None:
    if evaluation.candidate != candidate.hash:
        raise ValueError(f"the evaluation is of {evaluation.candidate[:12]}, the candidate is {candidate.hash[:12]}")
    if evaluation.failure is not None:
        raise ValueError(f"a candidate that failed cannot be confirmed: {evaluation.failure}")
    known = {(clip.name, clip.hash) for clip in clips}
    for point in evaluation.points:
        if (point.clip, point.clip_hash) not in known:
            raise ValueError(f"{point.clip} ({point.clip_hash[:12]}) was measured and is not among the clips given")


def _plan(clips: Sequence[Clip], evaluation: Evaluation) -> list[_Repeat]:
    """Return what is to be made again: every clip at its middle QP, the smallest clip at each of its QPs."""
    measured = [clip for clip in clips if evaluation.on(clip.name)]
    smallest = min(measured, key=lambda clip: clip.data.nbytes).name
    plan = []
    for clip in measured:
        points = sorted(evaluation.on(clip.name), key=lambda point: point.qp)
        chosen = points if clip.name == smallest else [points[len(points) // 2]]
        plan += [_Repeat(clip, point, clip.name == smallest) for point in chosen]
    return plan


def _obstacle(plan: Sequence[_Repeat], clips: Sequence[Clip], keep: Keep) -> str:
    """Return why nothing can be confirmed, "" if it can be tried."""
    planned = {repeat.clip.name for repeat in plan}
    for clip in clips:
        if clip.name not in planned:
            return f"{clip.name}: not measured at any QP: nothing to compare with; measure it"
    return next((why for repeat in plan if (why := repeat.obstacle(keep))), "")


def _in_words(plan: Sequence[_Repeat]) -> str:
    again = f"{len(plan)} bitstreams and their frames are the same from a fresh nursery, bit by bit"
    ones = [repeat.place for repeat in plan if not repeat.whole]
    whole = [repeat for repeat in plan if repeat.whole]
    qps = ", ".join(str(repeat.point.qp) for repeat in whole)
    return f"{again}: {', '.join([*ones, f'{whole[0].clip.name} at QP {qps} with the same figures'])}"


def _first_other(came: Sequence[str | bytes], expected: Sequence[str | bytes]) -> int | None:
    return next((index for index, (a, b) in enumerate(zip(came, expected, strict=True)) if a != b), None)


def _told(payload: bytes) -> str:
    return f"a payload of {len(payload):,} bytes (SHA-256 {hashlib.sha256(payload).hexdigest()[:12]})"


def _same(came: Any, recorded: Any) -> bool:
    if isinstance(came, tuple):
        return isinstance(recorded, tuple) and len(came) == len(recorded) and all(map(_same, came, recorded))
    if isinstance(came, float) and isinstance(recorded, float):
        return math.isclose(came, recorded, rel_tol=_ROUNDING)
    return bool(came == recorded)
