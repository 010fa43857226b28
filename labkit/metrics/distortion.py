"""Distortion between original and decoded frames, one frame at a time: PSNR, SSIM, MS-SSIM, worst block."""

import hashlib
from dataclasses import dataclass, field
from math import log10
from statistics import fmean

import cv2
import numpy as np
from numpy.typing import NDArray

from labkit.clip import Frame, Plane
from labkit.metrics.planes import PEAK_8_BIT, check_planes
from labkit.metrics.similarity import Similarity

BLOCK = 16
"""Side of the blocks among which the worst is looked for, in luma samples."""


@dataclass(frozen=True)
class Quality:
    """Distortion of a whole clip; each field means what the RDPoint field of the same name means."""

    psnr_db: float
    psnr_y_db: float
    psnr_yuv_db: float
    ssim: float
    ms_ssim: float | None
    worst_block_db: float
    frame_psnr_y_db: tuple[float, ...] = field(repr=False)
    frame_hashes: tuple[str, ...] = field(repr=False)


class Distortion:
    """Gathers the distortion of a clip frame by frame; holds a few numbers a frame, no pixels."""

    def __init__(self, width: int, height: int) -> None:
        """Expect frames of `width` x `height` luma samples, both even."""
        self._shapes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
        self._squared_error = 0
        self._psnr_db: list[tuple[float, ...]] = []
        self._similarity = Similarity(height, width)
        self._ssim: list[float] = []
        self._ms_ssim: list[float] = []
        self._hashes: list[str] = []
        self._worst_block_db = float("inf")

    def add(self, original: Frame, decoded: Frame) -> None:
        """Measure the next frame.

        Raises:
            ValueError: a frame is not three uint8 planes of the clip's shapes.
        """
        self._check(original, "original")
        self._check(decoded, "decoded")
        errors = [squared_error(*planes) for planes in zip(original, decoded, strict=True)]
        self._squared_error += sum(errors)
        self._psnr_db.append(tuple(_decibels(e, p.size) for e, p in zip(errors, original, strict=True)))
        ssim, ms_ssim = self._similarity.of(original[0], decoded[0])
        self._ssim.append(ssim)
        self._ms_ssim += [] if ms_ssim is None else [ms_ssim]
        self._hashes.append(frame_hash(decoded))
        self._worst_block_db = min(self._worst_block_db, worst_block(original[0], decoded[0]))

    def result(self) -> Quality:
        """Return the figures over all frames added so far.

        Raises:
            ValueError: no frame was added.
        """
        if not self._ssim:
            raise ValueError("no frame was measured; add at least one before asking for the result")
        samples = len(self._ssim) * sum(height * width for height, width in self._shapes)
        frame_y_db = tuple(y for y, _, _ in self._psnr_db)
        return Quality(
            psnr_db=_decibels(self._squared_error, samples),
            psnr_y_db=fmean(frame_y_db),
            psnr_yuv_db=fmean((6 * y + u + v) / 8 for y, u, v in self._psnr_db),
            ssim=fmean(self._ssim),
            ms_ssim=fmean(self._ms_ssim) if self._ms_ssim else None,
            worst_block_db=self._worst_block_db,
            frame_psnr_y_db=frame_y_db,
            frame_hashes=tuple(self._hashes),
        )

    def _check(self, frame: Frame, side: str) -> None:
        shapes = tuple(plane.shape for plane in frame)
        if shapes != self._shapes or any(plane.dtype != np.uint8 for plane in frame):
            shown = ", ".join(f"{plane.dtype} {plane.shape}" for plane in frame)
            raise ValueError(f"{side} frame {len(self._ssim)} is ({shown}), expected uint8 {self._shapes}")


def squared_error(original: Plane, decoded: Plane) -> int:
    """Return the exact sum of squared differences of two uint8 planes of one shape."""
    # some builds of cv2 return the square of a root: exact again once rounded, up to 2**51
    return round(cv2.norm(original, decoded, cv2.NORM_L2SQR))


def psnr(original: Plane, decoded: Plane) -> float:
    """Return the PSNR of one plane in dB; inf if the planes are equal.

    Raises:
        ValueError: the planes are not uint8 of one two-dimensional shape.
    """
    check_planes(original, decoded)
    return _decibels(squared_error(original, decoded), original.size)


def frame_hash(frame: Frame) -> str:
    """Return BLAKE2b over planes y, u, v, 8 bytes as hex."""
    digest = hashlib.blake2b(digest_size=8)
    for plane in frame:
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


def worst_block(original: Plane, decoded: Plane) -> float:
    """Return the lowest PSNR, in dB, of any 16x16 block; inf if the planes are equal.

    Blocks start at the top left. Where the size is no multiple of 16, the last block is moved inwards
    to end at the edge, so that every sample counts and every block has 256 of them; a plane lower or
    narrower than 16 has blocks of that side.

    Raises:
        ValueError: the planes are not uint8 of one two-dimensional shape.
    """
    check_planes(original, decoded)
    difference = cv2.absdiff(original, decoded)
    # float32 is exact here: a block's sum stays below 2**24
    error = np.asarray(cv2.multiply(difference, difference, dtype=cv2.CV_32F), dtype=np.float32)
    rows, columns = (min(BLOCK, side) for side in error.shape)
    whole_rows, whole_columns = (side - side % min(BLOCK, side) for side in error.shape)
    bands = (error[:whole_rows], error[-rows:])
    areas = [area for band in bands for area in (band[:, :whole_columns], band[:, -columns:])]
    worst = max(float(_block_means(area, rows, columns).max()) for area in areas)
    return _decibels(worst, 1)


def _decibels(squared_error: float, samples: int) -> float:
    if squared_error == 0:
        return float("inf")
    return 10 * log10(PEAK_8_BIT * PEAK_8_BIT * samples / squared_error)


def _block_means(area: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Return the mean of each block; `area` is a whole number of blocks."""
    size = (area.shape[1] // columns, area.shape[0] // rows)
    return np.asarray(cv2.resize(area, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
