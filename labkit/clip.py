"""A clip: frames of one video as planar YUV 4:2:0, 8 bit, with frame rate and content hash."""

import hashlib
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labkit.errors import ClipError

Plane = NDArray[np.uint8]
Frame = tuple[Plane, Plane, Plane]
"""(y, u, v): C-contiguous uint8, y (H, W), u and v (H/2, W/2)."""


def frame_bytes(width: int, height: int) -> int:
    """Return the size of one 4:2:0 frame in bytes; one sample is one byte."""
    return width * height * 3 // 2


def split_planes(samples: Plane, width: int, height: int) -> Frame:
    """Return views on the planes of one frame stored as y, then u, then v.

    Args:
        samples: uint8, shape (frame_bytes(width, height),), C-contiguous.
        width: of the luma plane, even.
        height: of the luma plane, even.
    """
    luma, chroma = width * height, width * height // 4
    half = (height // 2, width // 2)
    return (
        samples[:luma].reshape(height, width),
        samples[luma : luma + chroma].reshape(half),
        samples[luma + chroma :].reshape(half),
    )


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames of one real or synthetic video.

    Attributes:
        data: uint8, shape (frames, width * height * 3 / 2): each row one frame, planes y, u, v.
        fps: frames a second, exact.
        matrix: "bt601" or "bt709"; used to show a picture, never to measure one.
        notes: what was changed at import, one sentence each ("cropped 641x361 to 640x360").
        origin: where it came from: a file's name, a URL, or the generator and its seed.
    """

    name: str
    data: NDArray[np.uint8]
    width: int
    height: int
    fps: Fraction
    matrix: str = "bt601"
    notes: tuple[str, ...] = field(default=())
    origin: str = ""

    def __post_init__(self) -> None:
        if self.width % 2 or self.height % 2 or min(self.width, self.height) < 2:
            raise ClipError(f"clip {self.name!r} is {self.width}x{self.height}; both sides must be even and at least 2")
        expected = frame_bytes(self.width, self.height)
        if self.data.dtype != np.uint8 or self.data.ndim != 2 or self.data.shape[1] != expected:
            raise ClipError(
                f"clip {self.name!r}: data are {self.data.dtype} {self.data.shape}, "
                f"expected uint8 (frames, {expected}) for {self.width}x{self.height}"
            )
        if len(self.data) == 0:
            raise ClipError(f"clip {self.name!r} has no frame")
        if self.fps <= 0:
            raise ClipError(f"clip {self.name!r} has {self.fps} frames a second; it must be above 0")

    def __len__(self) -> int:
        return len(self.data)

    def frame(self, index: int) -> Frame:
        """Return views on the planes of frame `index`; do not write to them."""
        return split_planes(self.data[index], self.width, self.height)

    def head(self, frames: int | None) -> "Clip":
        """Return the first `frames` frames (all of them for None, or when there are fewer)."""
        if frames is None or frames >= len(self):
            return self
        return replace(self, data=self.data[:frames])

    @cached_property
    def hash(self) -> str:
        """SHA-256, hex, over size, frame rate and every sample: two clips with one hash are the same video."""
        digest = hashlib.sha256(f"{self.width}x{self.height}@{self.fps}\n".encode())
        digest.update(np.ascontiguousarray(self.data).data)
        return digest.hexdigest()

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return float(len(self) / self.fps)
