"""YUV4MPEG2 files: raw frames that every player and every encoder reads."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from labkit.clip import Frame


@contextmanager
def appears_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, which takes the place of `path` only if the block ends well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def y4m_writer(path: str | Path, width: int, height: int, fps: Fraction) -> Iterator[Callable[[Frame], None]]:
    """Give a function that appends a frame to a 4:2:0 8 bit limited-range file; it appears only when it is whole.

    Args:
        width: of the luma plane; height the same; both even.

    Raises:
        ValueError: no frame was given, or a plane has another shape or dtype.
    """
    rate = f"F{fps.numerator}:{fps.denominator}"
    header = f"YUV4MPEG2 W{width} H{height} {rate} Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED\n"
    with appears_whole(Path(path)) as temporary, temporary.open("wb") as file:
        file.write(header.encode("ascii"))
        count = 0

        def add(frame: Frame) -> None:
            nonlocal count
            _check_planes(frame, width, height, count)
            file.write(b"FRAME\n")
            for plane in frame:
                file.write(plane.tobytes())
            count += 1

        yield add
        if count == 0:
            raise ValueError(f"no frame was given to write to {path}; give at least one")


def write_y4m(path: str | Path, frames: Iterable[Frame], width: int, height: int, fps: Fraction) -> None:
    """Write all frames to a file; see `y4m_writer`."""
    with y4m_writer(path, width, height, fps) as add:
        for frame in frames:
            add(frame)


def _check_planes(frame: Frame, width: int, height: int, index: int) -> None:
    """Raise ValueError unless the planes are what the header says."""
    half = (height // 2, width // 2)
    shapes = tuple((plane.shape, str(plane.dtype)) for plane in frame)
    if shapes != (((height, width), "uint8"), (half, "uint8"), (half, "uint8")):
        raise ValueError(f"frame {index} has planes {shapes}; expected uint8 {(height, width)}, {half}, {half}")
