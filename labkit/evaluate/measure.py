"""One rate point: encode in one process, decode in another, score in this one; and what is kept of it."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from labkit.candidate import Candidate, Failure
from labkit.clip import Clip, Frame
from labkit.container import Container
from labkit.errors import LabkitError
from labkit.footage.y4m import y4m_writer
from labkit.jail import Coded, Nursery
from labkit.metrics import Distortion, Quality
from labkit.rd import RDPoint, rate_kbps


@dataclasses.dataclass(frozen=True)
class Keep:
    """What an evaluation leaves in a folder: containers always, decoded video and pictures if asked.

    Attributes:
        folder: made if missing; files are named CLIP-qpNN.lkv, .y4m and .npz.
        y4m: keep every decoded frame.
        picture_qp: keep the middle frame decoded at this QP, planes y, u, v in a .npz, for showing.
    """

    folder: Path
    y4m: bool = False
    picture_qp: int | None = None

    def path(self, clip: str, qp: int, suffix: str) -> Path:
        """Return the file for one rate point; a clip may be called anything."""
        name = re.sub(r"[^\w.+-]", "_", clip)
        return self.folder / f"{name}-qp{qp:02d}{suffix}"

    def restore(self, clip: str, qp: int, container: bytes, picture: bytes | None = None) -> None:
        """Write the files of one rate point; those that a failure left have no container, or no picture.

        Raises:
            LabkitError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if container:
                self.path(clip, qp, ".lkv").write_bytes(container)
            if picture is not None and qp == self.picture_qp:
                self.path(clip, qp, ".npz").write_bytes(picture)
        except OSError as error:
            raise self.trouble(error) from error

    def picture(self, clip: str, qp: int) -> bytes | None:
        """Return the picture of one rate point as it lies in the folder, None if none was asked for."""
        path = self.path(clip, qp, ".npz")
        return path.read_bytes() if qp == self.picture_qp and path.exists() else None

    def trouble(self, error: OSError) -> LabkitError:
        """Return what a person should read when the folder cannot be written."""
        return LabkitError(f"cannot keep files in {self.folder}: {error.strerror}; free space or name another folder")


def held_out_folder(folder: Path) -> Path:
    """Return where the bitstreams of held-out clips lie, beside those of the development clips."""
    return folder.with_name(f"{folder.name}-held-out")


@dataclasses.dataclass(frozen=True)
class Measured:
    """What came of one clip at one QP, and the container's bytes if it came to be coded."""

    outcome: RDPoint | Failure
    container: bytes = dataclasses.field(default=b"", repr=False)

    def failed(self) -> bool:
        """Return whether there is no rate point."""
        return isinstance(self.outcome, Failure)


def measure(nursery: Nursery, clip: Clip, qp: int, keep: Keep | None) -> RDPoint | Failure:
    """Return one rate point: encode in one process, decode in another, score in this one."""
    coded = nursery.encode(clip, qp)
    return coded if isinstance(coded, Failure) else score(nursery, clip, coded, keep).outcome


def score(nursery: Nursery, clip: Clip, coded: Coded, keep: Keep | None) -> Measured:
    """Decode in another process what was encoded in one, and measure it in this one."""
    # what the decoder gets is what the file holds, and nothing that the encoder's run left over
    file = coded.container.data
    container = Container.parse(file)
    distortion = Distortion(clip.width, clip.height)
    try:
        with _kept(keep, clip, container.qp, file) as keep_frame:

            def take(index: int, frame: Frame) -> None:
                distortion.add(clip.frame(index), frame)
                keep_frame(index, frame)

            decoded = nursery.decode(container, take, clip.name)
            if isinstance(decoded, Failure):
                raise _DecodeFailed(decoded)
    except _DecodeFailed as failed:
        return Measured(failed.failure, file)
    point = dataclasses.replace(
        _point(nursery.candidate, clip, coded, distortion.result()),
        decode_s=decoded.seconds,
        decode_cpu_s=decoded.usage.cpu_s,
        peak_mib=max(coded.usage.peak_mib, decoded.usage.peak_mib),
    )
    return Measured(point, file)


def _point(candidate: Candidate, clip: Clip, coded: Coded, quality: Quality) -> RDPoint:
    container = coded.container
    size = len(container.data)
    return RDPoint(
        clip=clip.name,
        clip_hash=clip.hash,
        qp=container.qp,
        bytes=size,
        rate_kbps=rate_kbps(size, len(clip), float(clip.fps)),
        **dataclasses.asdict(quality),
        encode_s=coded.seconds,
        decode_s=0.0,
        candidate=candidate.hash,
        bitstream_sha256=container.sha256,
        encode_cpu_s=coded.usage.cpu_s,
        raw_bytes=clip.data.nbytes,
        frame_bytes=tuple(map(len, container.payloads)),
        reported=coded.reported,
    )


class _DecodeFailed(Exception):  # noqa: N818  (never leaves this module)
    """Unwinds what was being kept, so that half a video does not look like a whole one."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


@contextmanager
def _kept(keep: Keep | None, clip: Clip, qp: int, file: bytes) -> Iterator[Callable[[int, Frame], None]]:
    """Keep the container now; give a function that keeps what is asked for of each decoded frame."""
    if keep is None:
        yield lambda index, frame: None
        return
    with ExitStack() as files:
        try:
            keep.restore(clip.name, qp, file)
            path = keep.path(clip.name, qp, ".y4m")
            add = files.enter_context(y4m_writer(path, clip.width, clip.height, clip.fps)) if keep.y4m else None

            def keep_frame(index: int, frame: Frame) -> None:
                if add is not None:
                    add(frame)
                if keep.picture_qp == qp and index == len(clip) // 2:
                    y, u, v = frame
                    np.savez_compressed(keep.path(clip.name, qp, ".npz"), y=y, u=u, v=v, index=index)

            yield keep_frame
        except OSError as error:
            raise keep.trouble(error) from error
