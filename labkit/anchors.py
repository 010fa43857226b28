"""Anchors: real HEVC, AVC, AV1 and VP9 encoders on the same frames, each point encoded once and kept.

Every encoder runs on one thread, tuned for PSNR, without periodic key frames, at the clip's true frame
rate. Its rate is the elementary stream, parameter sets included, without the message in which an encoder
praises itself. Its distortion is what a real decoder makes of exactly those bytes.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import uuid4

import av
import numpy as np

from labkit.clip import Clip, Frame, split_planes
from labkit.errors import AnchorError
from labkit.rd import RDPoint, rate_kbps

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_LOG = logging.getLogger(__name__)

CACHE_FORMAT = 2
"""Raise it when a field of RDPoint comes or changes its meaning: points kept so far are then measured again."""

_X265 = "info=0:pools=none:frame-threads=1:keyint=999:log-level=error"

_USER_DATA_SEI = re.compile(rb"\x00?\x00\x00\x01\x06\x05.*?(?=\x00?\x00\x00\x01|\Z)", re.DOTALL)


@dataclass(frozen=True)
class AnchorSpec:
    """One real encoder and its settings.

    Attributes:
        encoder: FFmpeg's name of it; `decoder` the same for the decoder of its stream.
        crfs: constant rate factors, rising; together about the PSNR range of an HEVC-like QP 22-37.
        options: FFmpeg's options, all but the CRF.
        min_side: the smallest width and height that it is given, in luma samples.
    """

    name: str
    encoder: str
    decoder: str
    crfs: tuple[int, ...]
    options: Mapping[str, str]
    min_side: int = 2


@dataclass(frozen=True)
class Bitstream:
    """What an encoder made of a clip.

    Attributes:
        packets: in coding order; all of their bytes count.
        frame_bytes: size of each packet in display order.
    """

    packets: tuple[bytes, ...] = field(repr=False)
    frame_bytes: tuple[int, ...] = field(repr=False)

    @property
    def size(self) -> int:
        """Size of the elementary stream in bytes."""
        return sum(map(len, self.packets))

    @property
    def sha256(self) -> str:
        """SHA-256, hex, of the elementary stream."""
        return hashlib.sha256(b"".join(self.packets)).hexdigest()


class Meter(Protocol):
    """What `labkit.metrics.Distortion` does: measures frame by frame."""

    def add(self, original: Frame, decoded: Frame) -> None:
        """Measure the next frame."""

    def result(self) -> "DataclassInstance":
        """Return figures whose names and meanings are those of RDPoint's fields."""
        ...


def _specs() -> Iterator[AnchorSpec]:
    crfs = (17, 22, 27, 32, 37)
    for preset in ("medium", "slow"):
        options = {"preset": preset, "tune": "psnr", "x265-params": _X265}
        # x265 4.2 writes past its memory on pictures such as 34x34 or 48x48
        yield AnchorSpec(f"x265-{preset}", "libx265", "hevc", crfs, options, min_side=64)
    options = {"preset": "medium", "tune": "psnr", "g": "999"}
    yield AnchorSpec("x264-medium", "libx264", "h264", (19, 24, 29, 34, 39), options)
    options = {"preset": "5", "svtav1-params": "lp=1:tune=1:keyint=-1"}  # tune 1 is PSNR, keyint -1 never
    yield AnchorSpec("svt-av1", "libsvtav1", "libdav1d", (20, 30, 40, 50, 60), options)
    options = {
        "b": "0",
        "deadline": "good",
        "cpu-used": "2",
        "auto-alt-ref": "1",
        "lag-in-frames": "25",
        "g": "999",
    }
    yield AnchorSpec("vp9", "libvpx-vp9", "vp9", (25, 34, 43, 52, 60), options)


ANCHORS: Mapping[str, AnchorSpec] = {spec.name: spec for spec in _specs()}
REFERENCE = "x265-medium"


def find(name: str) -> AnchorSpec:
    """Return the anchor of that name.

    Raises:
        AnchorError: there is no such anchor, or this build of PyAV cannot run it.
    """
    if name not in ANCHORS:
        raise AnchorError(f"no anchor is called {name!r}; there are {', '.join(ANCHORS)}")
    return _present(ANCHORS[name])


def encode(spec: AnchorSpec, clip: Clip, crf: int) -> Bitstream:
    """Return the stream that the encoder makes of `clip` at `crf`, on one thread.

    Raises:
        AnchorError: the encoder is missing, refuses the clip or an option, or gives not one packet a frame.
    """
    if min(clip.width, clip.height) < spec.min_side:
        raise AnchorError(f"{_place(spec, clip, crf)}: both sides must be at least {spec.min_side}")
    packets = []
    try:
        encoder = _open_encoder(spec, clip, crf)
        for index, samples in enumerate(clip.data):
            # the planes lie one after the other, as in FFmpeg's packed yuv420p
            packed = samples.reshape(clip.height * 3 // 2, clip.width)
            frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
            frame.pts, frame.time_base = index, 1 / clip.fps
            packets += encoder.encode(frame)
        packets += encoder.encode(None)
    except (av.FFmpegError, OverflowError) as error:  # the latter: a frame rate beyond 32-bit fractions
        raise AnchorError(f"{_place(spec, clip, crf)}: {spec.encoder} failed: {error}") from error
    payloads = [_counted(spec, bytes(packet)) for packet in packets]
    shown = sorted(zip((packet.pts or 0 for packet in packets), map(len, payloads), strict=True))
    if [index for index, _ in shown] != list(range(len(clip))):
        raise AnchorError(f"{_place(spec, clip, crf)}: {len(packets)} packets for {len(clip)} frames")
    return Bitstream(tuple(payloads), tuple(size for _, size in shown))


def decode(spec: AnchorSpec, bitstream: Bitstream, width: int, height: int) -> Iterator[Frame]:
    """Yield the frames that a real decoder makes of the counted bytes, in display order.

    Raises:
        AnchorError: the decoder is missing or fails, or a frame is not 8-bit 4:2:0 of that size.
    """
    try:
        decoder = _open_decoder(spec)
        for payload in (*bitstream.packets, None):
            for frame in decoder.decode(None if payload is None else av.Packet(payload)):
                found = (frame.format.name, frame.width, frame.height)
                if found != ("yuv420p", width, height):
                    raise AnchorError(f"{spec.name} decodes to {found}, expected yuv420p {width}x{height}")
                yield split_planes(frame.to_ndarray().reshape(-1).view(np.uint8), width, height)
    except av.FFmpegError as error:
        raise AnchorError(f"{spec.name}: decoder {spec.decoder} failed: {error}") from error


@dataclass(frozen=True)
class AnchorShelf:
    """Rate points of anchors, kept in a folder: what was encoded once is never encoded again.

    A file holds one point and the full text of its key: clip, settings, CRF and the build of the encoder.
    A file that is damaged or answers another question is made again, and a warning is logged. Any
    number of processes may share a folder.

    Attributes:
        folder: where the files lie; made when needed.
        meter: makes the measuring instrument from width and height: `labkit.metrics.Distortion`.
        encode: the seam for tests.
    """

    folder: Path
    meter: Callable[[int, int], Meter]
    encode: Callable[[AnchorSpec, Clip, int], Bitstream] = encode

    def curve(self, clip: Clip, name: str) -> tuple[RDPoint, ...]:
        """Return one point per CRF of the anchor, by falling rate.

        Raises:
            AnchorError: the anchor is unknown or missing here, fails on this clip, or the folder is
                not writable.
        """
        spec = find(name)
        return tuple(self.point(clip, spec, crf) for crf in spec.crfs)

    def point(self, clip: Clip, spec: AnchorSpec, crf: int) -> RDPoint:
        """Return one rate point, from the folder or measured now; raises as `curve` does."""
        key = cache_key(clip, spec, crf)
        digest = hashlib.sha256(key.encode()).hexdigest()
        path = self.folder / f"{spec.name}-crf{crf}-{digest[:20]}.json"
        try:
            point = _read(path, key)
            if point is None:
                point = self._measure(clip, spec, crf)
                _write(path, key, point)
        except OSError as error:
            raise AnchorError(f"anchor cache {path}: {error.strerror}; choose a folder you may write to") from error
        return replace(point, clip=clip.name)  # the same video may be kept under another name

    def _measure(self, clip: Clip, spec: AnchorSpec, crf: int) -> RDPoint:
        started = perf_counter()
        bitstream = self.encode(spec, clip, crf)
        encode_s = perf_counter() - started
        meter = self.meter(clip.width, clip.height)
        decode_s = _put_through(meter, clip, decode(spec, bitstream, clip.width, clip.height))
        return RDPoint(
            clip=clip.name,
            clip_hash=clip.hash,
            qp=crf,
            bytes=bitstream.size,
            rate_kbps=rate_kbps(bitstream.size, len(clip), float(clip.fps)),
            encode_s=encode_s,
            decode_s=decode_s,
            candidate=f"anchor:{spec.name}",
            bitstream_sha256=bitstream.sha256,
            raw_bytes=clip.data.nbytes,
            frame_bytes=bitstream.frame_bytes,
            **asdict(meter.result()),
        )


def cache_key(clip: Clip, spec: AnchorSpec, crf: int) -> str:
    """Return everything that a rate point depends on, as text: the clip's hash covers its frame rate."""
    known = {"format": CACHE_FORMAT, "clip": clip.hash, "crf": crf, "spec": asdict(spec) | {"crfs": ()}}
    return json.dumps(known | {"build": build(spec)}, sort_keys=True)


def build(spec: AnchorSpec) -> str:
    """Return the versions that decide what the encoder makes: PyAV, FFmpeg and the bundled library."""
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    # PyAV's wheels carry the encoders under names that hold a version and a hash: libx265-f5385bb8.so.216
    stem = spec.encoder.removeprefix("lib").split("-")[0]
    files = importlib.metadata.files("av") or ()
    library = sorted(file.name for file in files if re.match(rf"(lib)?{stem}", file.name, re.IGNORECASE))
    shown = " ".join(library) or f"{spec.encoder} of the system"
    return f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}, libavcodec {codec}, {shown}"


def _put_through(meter: Meter, clip: Clip, frames: Iterator[Frame]) -> float:
    """Measure every decoded frame against the clip's; return the seconds spent in the decoder."""
    count, decode_s = 0, 0.0
    while True:
        started = perf_counter()
        decoded = next(frames, None)
        decode_s += perf_counter() - started
        if decoded is None:
            break
        if count < len(clip):
            meter.add(clip.frame(count), decoded)
        count += 1
    if count != len(clip):
        raise AnchorError(f"{clip.name}: {count} frames came out of the decoder, {len(clip)} went into the encoder")
    return decode_s


def _open_encoder(spec: AnchorSpec, clip: Clip, crf: int) -> av.VideoCodecContext:
    # SVT-AV1 writes pages of settings to stderr, past every logger: errors only, unless asked otherwise
    os.environ.setdefault("SVT_LOG", "1")
    encoder = cast(av.VideoCodecContext, av.CodecContext.create(_present(spec).encoder, "w"))
    encoder.width, encoder.height, encoder.pix_fmt = clip.width, clip.height, "yuv420p"
    encoder.framerate, encoder.time_base = clip.fps, 1 / clip.fps
    encoder.thread_count = 1
    encoder.options = {**spec.options, "crf": str(crf)}
    with usual_priority():
        encoder.open()
    if encoder.options:
        raise AnchorError(f"{_place(spec, clip, crf)}: {spec.encoder} does not know {encoder.options}")
    return encoder


@contextlib.contextmanager
def usual_priority() -> Iterator[None]:
    """Undo what an encoder does to the scheduling of this process's threads.

    SVT-AV1, run by root, gives its threads and the caller's the highest real-time priority (SCHED_FIFO, 99). Every
    process started from there would inherit it and starve the machine.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread in (int(task.name) for task in Path("/proc/self/task").iterdir()):
            with contextlib.suppress(ProcessLookupError):  # it has ended since
                # where it was so before, somebody has asked for it
                if policy != os.SCHED_FIFO and os.sched_getscheduler(thread) == os.SCHED_FIFO:
                    os.sched_setscheduler(thread, policy, parameters)


def _open_decoder(spec: AnchorSpec) -> av.VideoCodecContext:
    decoder = cast(av.VideoCodecContext, av.CodecContext.create(_present(spec).decoder, "r"))
    decoder.thread_count = 1
    return decoder


def _counted(spec: AnchorSpec, payload: bytes) -> bytes:
    """Return the packet without x264's message about itself, which it cannot be told to leave out."""
    return _USER_DATA_SEI.sub(b"", payload) if spec.encoder == "libx264" else payload


def _runs(spec: AnchorSpec) -> bool:
    return {spec.encoder, spec.decoder} <= av.codecs_available


def _present(spec: AnchorSpec) -> AnchorSpec:
    """Return `spec` if this build of PyAV can run it, else raise AnchorError."""
    if not _runs(spec):
        here = ", ".join(other.name for other in ANCHORS.values() if _runs(other)) or "none"
        raise AnchorError(
            f"anchor {spec.name} needs encoder {spec.encoder} and decoder {spec.decoder}; "
            f"PyAV {av.__version__} here lacks one; anchors it can run: {here}"
        )
    return spec


def _place(spec: AnchorSpec, clip: Clip, crf: int) -> str:
    return f"anchor {spec.name} on {clip.name} ({clip.width}x{clip.height}, {len(clip)} frames) at CRF {crf}"


def _read(path: Path, key: str) -> RDPoint | None:
    """Return the point kept at `path`; None, with a warning if there is something else."""
    try:
        return _parse(path.read_text("utf-8"), key)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        _LOG.warning("anchor cache %s is no use (%s); the point is measured again", path, error)
        return None


def _parse(text: str, key: str) -> RDPoint:
    kept: dict[str, Any] = json.loads(text)
    if kept["key"] != key:
        raise ValueError("it was made for another clip, setting or build")
    if kept["sha256"] != _seal(kept["key"], kept["point"]):
        raise ValueError("its text was changed after it was written")
    values: dict[str, Any] = kept["point"]
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return RDPoint(**(values | lists))


def _write(path: Path, key: str, point: RDPoint) -> None:
    """Write a whole file or none: readers and other writers never see a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = asdict(point)
    kept = {"key": key, "sha256": _seal(key, values), "point": values}
    part = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
    try:
        part.write_text(json.dumps(kept, indent=1), "utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _seal(key: str, values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([key, values], sort_keys=True).encode()).hexdigest()
