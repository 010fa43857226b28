"""Any video that PyAV can open becomes a Clip, or an error says why not."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from http.client import HTTPException
from itertools import chain
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from labkit.clip import Clip, Frame, frame_bytes, split_planes
from labkit.errors import ClipError
from labkit.footage.conversion import Conversion
from labkit.footage.index import index_entry
from labkit.footage.timing import Shown, end_notes, expected_frames, frame_rate, timing_notes

LIMIT_MIB = 2048
"""A decoded clip larger than this is refused: it is held in memory as a whole."""

_NETWORK_TIMEOUT_S = 20


def read_video(
    source: str | Path, frames: int | None = None, name: str | None = None, limit_mib: int = LIMIT_MIB
) -> Clip:
    """Return the first `frames` frames of a video, all for None; 4:2:0 8 bit limited range is bit-exact.

    Whatever is changed on the way (size, depth, subsampling, range) is a sentence in `Clip.notes`.

    Args:
        source: a local path or an http(s) URL.
        name: of the clip; else as in the clips.json beside the file, else the file's name without ending.

    Raises:
        ClipError: no such file, no video in it, damaged or cut before the last frame wanted, changing its
            size on the way, or too large to hold.
    """
    if frames is not None and frames < 1:
        raise ClipError(f"{source}: {frames} frames were asked for; ask for at least 1, or leave it out for all")
    entry = {} if is_url(source) else index_entry(Path(source))
    with open_video(source) as (container, stream):
        decoded = _decoded(source, container, stream, frames)
        first = next(decoded, None)
        if first is None:
            raise ClipError(f"{source}: has a video stream but not one frame in it; give another file")
        conversion = Conversion.of(first, entry)
        expected = _wanted(frames, expected_frames(container, stream))
        rows = _Rows(source, first, expected, limit_mib * 2**20)
        shown = []
        for frame in chain([first], decoded):
            conversion.write(frame, rows.next(frame))
            shown.append(Shown.of(frame))
        fps = frame_rate(container, stream)
        notes = [
            *conversion.notes,
            *timing_notes(shown, fps, frames),
            *end_notes(container, stream, shown, frames),
        ]
    return Clip(
        name=name or entry.get("name") or stem(source),
        data=rows.finished(),
        width=rows.width,
        height=rows.height,
        fps=fps or Fraction(25),
        matrix=conversion.matrix,
        notes=tuple(notes),
        origin=str(source) if is_url(source) else Path(source).name,
    )


def is_url(source: str | Path) -> bool:
    """Return whether `source` is an http or https address."""
    return str(source).startswith(("http://", "https://"))


def stem(source: str | Path) -> str:
    """Return the file's name without its ending, of a path or a URL."""
    path = unquote(urlsplit(str(source)).path) if is_url(source) else str(source)
    return Path(path).stem or "clip"


@contextmanager
def open_video(source: str | Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video and give its container and its first stream of moving pictures.

    Raises:
        ClipError: the file is missing or empty, is not a video, or holds sound only.
    """
    with ExitStack() as stack:
        path = stack.enter_context(downloaded(str(source))) if is_url(source) else _checked_path(source)
        try:
            container = stack.enter_context(av.open(path, mode="r", metadata_errors="replace"))
        except (av.FFmpegError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise ClipError(
                f"{source}: cannot be read as a video ({why}); it is damaged, cut off or not one"
            ) from error
        if container.format.name == "tty":  # FFmpeg plays any .txt as the picture of a terminal
            raise ClipError(f"{source}: is a text file, not a video; give a video file, a folder or a URL")
        yield container, _video_stream(source, container)


@contextmanager
def downloaded(url: str) -> Iterator[str]:
    """Give the path of a temporary copy: an mp4 may have its index at the end, and not every server can seek.

    Raises:
        ClipError: the server cannot be reached, refuses, or breaks off.
    """
    with tempfile.NamedTemporaryFile(prefix="labkit-") as file:
        try:
            with urlopen(url, timeout=_NETWORK_TIMEOUT_S) as answer:
                shutil.copyfileobj(answer, file)
                promised = answer.headers.get("Content-Length")
        except HTTPError as error:
            with error:  # it is the server's answer, still open
                raise ClipError(f"{url}: cannot be fetched ({error}); check the address") from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ClipError(f"{url}: cannot be fetched ({reason}); check the address") from error
        file.flush()
        if promised is not None and file.tell() != int(promised):
            raise ClipError(f"{url}: breaks off after {file.tell()} of {promised} bytes; try again")
        if file.tell() == 0:
            raise ClipError(f"{url}: the file is empty (0 bytes); check the address")
        yield file.name


class _Rows:
    """The frames read so far, one a row, never held twice; refuses to grow beyond a limit."""

    def __init__(self, source: str | Path, first: VideoFrame, expected: int | None, limit_bytes: int) -> None:
        self.source, self.limit_bytes, self.count = source, limit_bytes, 0
        self.form = _form(first)
        self.width, self.height = first.width // 2 * 2, first.height // 2 * 2
        self.row_bytes = frame_bytes(self.width, self.height)
        if self.row_bytes == 0:
            raise ClipError(f"{source}: its pictures are {first.width}x{first.height}; at least 2x2 are needed")
        self._check_size(expected or 1)
        self.data: NDArray[np.uint8] = np.empty((expected or 1, self.row_bytes), np.uint8)

    def next(self, frame: VideoFrame) -> Frame:
        """Return views on the planes of the next row, for `frame` to be written to."""
        if _form(frame) != self.form:
            raise ClipError(
                f"{self.source}: changes from {self.form} to {_form(frame)} at frame {self.count}; "
                f"a clip has one form, take the part before with --frames {self.count}"
            )
        if self.count == len(self.data):
            self._check_size(self.count + 1)
            self._resize(min(self.count * 2, self.limit_bytes // self.row_bytes))
        self.count += 1
        return split_planes(self.data[self.count - 1], self.width, self.height)

    def finished(self) -> NDArray[np.uint8]:
        """Return uint8 (frames, row_bytes)."""
        self._resize(self.count)
        return self.data

    def _resize(self, count: int) -> None:
        # realloc moves the pages of a large block instead of copying them; all views are gone by now
        self.data.resize((count, self.row_bytes), refcheck=False)

    def _check_size(self, count: int) -> None:
        if count * self.row_bytes > self.limit_bytes:
            raise ClipError(
                f"{self.source}: {count} or more frames of {self.width}x{self.height} "
                f"need {count * self.row_bytes >> 20} MiB, the limit is {self.limit_bytes >> 20} MiB; "
                f"take fewer with --frames {max(1, self.limit_bytes // self.row_bytes)}"
            )


def _form(frame: VideoFrame) -> str:
    return f"{frame.width}x{frame.height} {frame.format.name}"


def _wanted(frames: int | None, expected: int | None) -> int | None:
    return expected if frames is None or expected is None else min(frames, expected)


def _checked_path(source: str | Path) -> str:
    """Return what FFmpeg shall open; refuse what is no video in plainer words than FFmpeg's."""
    path = Path(source)
    if not path.exists():
        raise ClipError(f"{source}: no such file; check the path")
    if path.is_dir():
        raise ClipError(f"{source}: is a folder, not a video; name one of its files")
    if path.is_file() and path.stat().st_size == 0:
        raise ClipError(f"{source}: the file is empty (0 bytes); download or copy it again")
    return str(path.absolute())  # absolute, so that no part of it can be taken for a protocol


def _video_stream(source: str | Path, container: InputContainer) -> VideoStream:
    """Return the first video stream that is no cover picture, set to one thread and to report damage."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            stream.thread_count = 1
            stream.codec_context.options = {"err_detect": "explode"}
            return stream
    kinds = sorted({"a cover picture" if stream.type == "video" else stream.type for stream in container.streams})
    raise ClipError(f"{source}: holds no moving pictures, only {' and '.join(kinds) or 'nothing'}; give a video")


def _decoded(
    source: str | Path, container: InputContainer, stream: VideoStream, frames: int | None
) -> Iterator[VideoFrame]:
    """Yield frames in order of presentation, at most `frames`; refuse a file that ends before that."""
    good, promised = 0, stream.frames
    try:
        for packet in container.demux(stream):
            promised -= packet.is_discard  # an edit list leaves it out on purpose
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise ClipError(_broken(source, good, "the next one is damaged"))
                yield frame
                good += 1
                if good == frames:
                    return
    except av.FFmpegError as error:
        raise ClipError(_broken(source, good, error.strerror or "damaged")) from error
    if 0 < good < promised:
        raise ClipError(_broken(source, good, f"the container promises {promised}"))


def _broken(source: str | Path, good: int, why: str) -> str:
    advice = f"get a whole copy, or take the good ones with --frames {good}" if good else "get a whole copy"
    return f"{source}: breaks off after {good} good frames ({why}); {advice}"
