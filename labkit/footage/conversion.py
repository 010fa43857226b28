"""Any pixel format becomes planar YUV 4:2:0, 8 bit, limited range."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from labkit.clip import Frame, Plane

_DEPTHS = (8, 9, 10, 12, 14, 16)
"""Bits a sample for which FFmpeg has a planar 4:2:0 format."""

_TAGGED_MATRIX = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt709", 10: "bt709"}
"""Matrix coefficients of ISO/IEC 23091-2, and the nearer one of the two that a Clip knows."""
_BT2020 = (9, 10)
_COLORSPACES = {"bt601": Colorspace.ITU601, "bt709": Colorspace.ITU709}
_SWSCALE = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INP


@dataclass(frozen=True)
class Conversion:
    """What has to be done to every frame of one video; 4:2:0 8 bit limited range is copied bit by bit.

    Attributes:
        matrix: "bt601" or "bt709": the stream's tag, else what clips.json says, else by the height.
        depth: bits a sample before rounding to 8: swscale would dither on the way, which costs bits.
        tables: for luma and chroma, uint8 (2 ** depth,): the 8 bit limited-range value of each sample.
        notes: one sentence for each thing that is changed.
    """

    matrix: str
    depth: int
    tables: tuple[Plane, Plane] | None
    notes: tuple[str, ...]
    _swscale: VideoReformatter = field(default_factory=VideoReformatter)

    @classmethod
    def of(cls, frame: VideoFrame, entry: dict[str, Any]) -> "Conversion":
        """Return what a video's first frame calls for; `entry` is what clips.json says of it, or {}."""
        usual = "bt601" if frame.height < 720 else "bt709"
        matrix = _TAGGED_MATRIX.get(frame.colorspace) or entry.get("matrix") or usual
        bits = max(component.bits for component in frame.format.components)
        depth = next((known for known in _DEPTHS if known >= bits), _DEPTHS[-1])
        full = not frame.format.is_rgb and _is_full(frame, entry)
        tables = _tables(depth, full) if full or depth > 8 else None
        return cls(matrix, depth, tables, tuple(_notes(frame, matrix, depth, full)))

    def write(self, frame: VideoFrame, planes: Frame) -> None:
        """Fill `planes` from `frame`, which may be a sample wider and higher: it is cropped."""
        if frame.format.name not in ("yuv420p", "yuvj420p"):
            frame = self._as_420(frame)
        dtype = np.dtype(np.uint8 if self.depth == 8 else "<u2")
        for index, (target, plane) in enumerate(zip(planes, frame.planes, strict=True)):
            stored: NDArray[Any] = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)
            samples = stored[: target.shape[0], : target.shape[1]]
            target[:] = self.tables[index > 0][samples] if self.tables else samples

    def _as_420(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame in 4:2:0 at its own depth and range; RGB becomes limited range."""
        # told that both sides are full range, swscale leaves the range of every YUV and gray format as it is
        target_range = ColorRange.MPEG if frame.format.is_rgb else ColorRange.JPEG
        return self._swscale.reformat(
            frame,
            format="yuv420p" if self.depth == 8 else f"yuv420p{self.depth}le",
            src_colorspace=_COLORSPACES[self.matrix],
            dst_colorspace=_COLORSPACES[self.matrix],
            src_color_range=ColorRange.JPEG,
            dst_color_range=target_range,
            interpolation=_SWSCALE,
            threads=1,
        )


def _tables(depth: int, full: bool) -> tuple[Plane, Plane]:
    """Return the nearest 8 bit limited-range value of every luma and every chroma sample of `depth` bits.

    Source:
        ITU-R BT.709-6, section 4: 219 steps from 16 for luma, 224 around 128 for chroma.
    """
    samples, top, middle = np.arange(2**depth), 2**depth - 1, 2 ** (depth - 1)
    if full:
        luma = (2 * 219 * samples + top) // (2 * top) + 16
        chroma = (2 * 224 * (samples - middle) + top) // (2 * top) + 128
    else:
        luma = chroma = (samples + 2 ** (depth - 9)) >> (depth - 8)
    return luma.clip(0, 255).astype(np.uint8), chroma.clip(0, 255).astype(np.uint8)


def _is_gray(frame: VideoFrame) -> bool:
    return frame.format.name.startswith("gray")


def _is_full(frame: VideoFrame, entry: dict[str, Any]) -> bool:
    """Return whether YUV samples use 0-255: by format, tag, clips.json, or else what FFmpeg assumes."""
    if frame.format.name.startswith("yuvj"):
        return True
    if frame.color_range in (ColorRange.MPEG, ColorRange.JPEG):
        return frame.color_range == ColorRange.JPEG
    return bool(entry.get("range", "full" if _is_gray(frame) else "limited") == "full")


def _notes(frame: VideoFrame, matrix: str, depth: int, full: bool) -> list[str]:
    """Return one sentence for each thing that the conversion changes."""
    notes, kind = [], frame.format
    if kind.name not in ("yuv420p", "yuvj420p"):
        how = f" with the {matrix} matrix" * kind.is_rgb
        rounded = f", {depth} bits rounded to 8" * (depth > 8)
        alpha = ", transparency dropped" * any(component.is_alpha for component in kind.components)
        notes.append(f"converted {kind.name} to yuv420p{how}{rounded}{alpha}")
    if full:
        notes.append("converted full range (0-255) to limited range (luma 16-235, chroma 16-240)")
    if frame.width % 2 or frame.height % 2:
        even = f"{frame.width // 2 * 2}x{frame.height // 2 * 2}"
        notes.append(f"cropped {frame.width}x{frame.height} to {even}")
    if frame.colorspace in _BT2020:
        notes.append("BT.2020 colours are shown as if they were BT.709")
    return notes
