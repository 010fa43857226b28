"""The container file of a coded clip: the bytes a user would get, and so the rate.

    "LKV1" | form u8 | qp u8 | width u16 | height u16 | fps numerator u32 | denominator u32 | frames u32
    then each payload: its length as LEB128, its bytes

Numbers are little-endian. A frame-by-frame codec has one payload a frame, a whole-clip codec has one.
The header carries all that the decoder is told, so nothing that the decoder uses is free.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from functools import cached_property
from math import gcd

from labkit.clip import Clip
from labkit.errors import ContainerError

MAGIC = b"LKV1"
_HEADER = struct.Struct("<4sBBHHIII")
MAX_QP = 63
_MAX_LENGTH_BYTES = 5


class Form(IntEnum):
    """Which of the two pairs of contract functions a candidate defines."""

    FRAME = 1
    CLIP = 2


@dataclass(frozen=True)
class Container:
    """One coded clip: what the decoder gets, and nothing else."""

    form: Form
    qp: int
    width: int
    height: int
    fps: Fraction
    frame_count: int
    payloads: tuple[bytes, ...]

    @classmethod
    def for_clip(cls, clip: Clip, qp: int, form: Form, payloads: tuple[bytes, ...] = ()) -> "Container":
        """Return a container with the header of `clip` at `qp`."""
        return cls(form, qp, clip.width, clip.height, clip.fps, len(clip), payloads)

    @property
    def config(self) -> dict[str, int | float]:
        """A fresh configuration for one run of a candidate, as the header tells it."""
        return {
            "qp": self.qp,
            "width": self.width,
            "height": self.height,
            "fps": float(self.fps),
            "frame_count": self.frame_count,
        }

    @cached_property
    def data(self) -> bytes:
        """The file's bytes.

        Raises:
            ContainerError: a number does not fit its field: a QP beyond MAX_QP, a side beyond 65,535.
        """
        try:
            header = _HEADER.pack(
                MAGIC, self.form, self.qp, self.width, self.height,
                self.fps.numerator, self.fps.denominator, self.frame_count,
            )  # fmt: skip
        except struct.error as error:
            raise ContainerError(f"{self._told} does not fit into the header: {error}") from error
        if self.qp > MAX_QP:
            raise ContainerError(f"{self._told} does not fit into the header: the largest QP is {MAX_QP}")
        return header + b"".join(_length(len(payload)) + payload for payload in self.payloads)

    @property
    def _told(self) -> str:
        return f"{self.frame_count} frames of {self.width}x{self.height} at {self.fps} fps, QP {self.qp}"

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file, hex."""
        return hashlib.sha256(self.data).hexdigest()

    @classmethod
    def parse(cls, data: bytes) -> "Container":
        """Return the container that `data` holds.

        Raises:
            ContainerError: the data are cut, damaged, or hold anything beyond the last payload.
        """
        if len(data) < _HEADER.size:
            raise ContainerError(f"not a container: {len(data)} bytes, the header alone has {_HEADER.size}")
        magic, form, qp, width, height, numerator, denominator, frames = _HEADER.unpack_from(data)
        if magic != MAGIC:
            raise ContainerError(f"not a container: it starts with {magic!r}, expected {MAGIC!r}")
        if form not in (Form.FRAME, Form.CLIP):
            raise ContainerError(f"damaged container: form {form}, expected 1 (frame) or 2 (clip)")
        if qp > MAX_QP:
            raise ContainerError(f"damaged container: QP {qp}, the largest is {MAX_QP}")
        if not (width and height and frames and numerator and denominator) or width % 2 or height % 2:
            raise ContainerError(
                f"damaged container: {frames} frames of {width}x{height} at {numerator}/{denominator} fps"
            )
        if gcd(numerator, denominator) > 1:  # a second spelling of one rate would be a place to hide bits
            raise ContainerError(f"damaged container: {numerator}/{denominator} fps is not in its lowest terms")
        payloads = _payloads(data, frames if form == Form.FRAME else 1)
        return cls(Form(form), qp, width, height, Fraction(numerator, denominator), frames, payloads)


def _length(size: int) -> bytes:
    """Return `size` as LEB128: seven bits a byte, low ones first."""
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


def _payloads(data: bytes, count: int) -> tuple[bytes, ...]:
    position = _HEADER.size
    if count > len(data) - position:  # each needs a byte for its length: never allocate for a lie
        raise ContainerError(f"cut container: {count} payloads cannot lie in {len(data) - position} bytes")
    payloads = []
    for index in range(count):
        size, position = _read_length(data, position, index)
        if size > len(data) - position:
            raise ContainerError(
                f"cut container: payload {index} has {size} bytes, only {len(data) - position} are left"
            )
        payloads.append(data[position : position + size])
        position += size
    if position != len(data):
        raise ContainerError(f"damaged container: {len(data) - position} bytes follow the last payload")
    return tuple(payloads)


def _read_length(data: bytes, position: int, index: int) -> tuple[int, int]:
    size = 0
    for used in range(_MAX_LENGTH_BYTES):
        if position + used >= len(data):
            raise ContainerError(f"cut container: it ends in the length of payload {index}")
        byte = data[position + used]
        size |= (byte & 0x7F) << 7 * used
        if byte < 0x80:
            if used and byte == 0:  # a second spelling of one length would be a place to hide bits
                raise ContainerError(f"damaged container: the length of payload {index} is not in its shortest form")
            return size, position + used + 1
    raise ContainerError(f"damaged container: the length of payload {index} has more than {_MAX_LENGTH_BYTES} bytes")
