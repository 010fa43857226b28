"""Distortion between original and decoded frames, one frame at a time: PSNR, SSIM, worst block."""

from dataclasses import dataclass, field
from math import log10
from statistics import fmean

import cv2
import numpy as np
from numpy.typing import NDArray

from labkit.clip import Frame, Plane

PEAK_8_BIT = 255
BLOCK = 16
"""Side of the blocks among which the worst is looked for, in luma samples."""

_SSIM_RADIUS = 5
_SSIM_SIGMA = 1.5
_SSIM_C1, _SSIM_C2 = (0.01 * PEAK_8_BIT) ** 2, (0.03 * PEAK_8_BIT) ** 2
_STRIPE_ROWS = 64  # a stripe's float32 planes stay in the cache: half the time of a whole 1080p frame


@dataclass(frozen=True)
class Quality:
    """Distortion of a whole clip; each field means what the RDPoint field of the same name means."""

    psnr_db: float
    psnr_y_db: float
    psnr_yuv_db: float
    ssim: float
    worst_block_db: float
    frame_psnr_y_db: tuple[float, ...] = field(repr=False)


class Distortion:
    """Gathers the distortion of a clip frame by frame; holds a few numbers a frame, no pixels."""

    def __init__(self, width: int, height: int) -> None:
        """Expect frames of `width` x `height` luma samples, both even."""
        self._shapes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
        self._squared_error = 0
        self._psnr_db: list[tuple[float, ...]] = []
        self._ssim: list[float] = []
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
        self._ssim.append(ssim(original[0], decoded[0]))
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
            worst_block_db=self._worst_block_db,
            frame_psnr_y_db=frame_y_db,
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
    _check_planes(original, decoded)
    return _decibels(squared_error(original, decoded), original.size)


def ssim(original: Plane, decoded: Plane) -> float:
    """Return the mean structural similarity of two planes, at most 1 (equal planes).

    The window must lie inside the plane. A plane lower or narrower than the window (11) has no such
    place: its borders are mirrored (the edge itself not repeated) and each of its samples is a place.

    Raises:
        ValueError: the planes are not uint8 of one two-dimensional shape.

    Source:
        Z. Wang et al., IEEE Trans. Image Processing 13(4), 2004: Gaussian window 11x11, sigma 1.5,
        K1 = 0.01, K2 = 0.03, statistics by N (not N - 1).
    """
    _check_planes(original, decoded)
    if min(original.shape) <= 2 * _SSIM_RADIUS:
        original, decoded = _mirrored(original), _mirrored(decoded)
    height, width = (int(side) - 2 * _SSIM_RADIUS for side in original.shape)
    total = 0.0
    for top in range(0, height, _STRIPE_ROWS):
        rows = slice(top, min(top + _STRIPE_ROWS, height) + 2 * _SSIM_RADIUS)
        total += float(_ssim_map(original[rows], decoded[rows]).sum(dtype=np.float64))
    return total / (height * width)


def worst_block(original: Plane, decoded: Plane) -> float:
    """Return the lowest PSNR, in dB, of any 16x16 block; inf if the planes are equal.

    Blocks start at the top left. Where the size is no multiple of 16, the last block is moved inwards
    to end at the edge, so that every sample counts and every block has 256 of them; a plane lower or
    narrower than 16 has blocks of that side.

    Raises:
        ValueError: the planes are not uint8 of one two-dimensional shape.
    """
    _check_planes(original, decoded)
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


def _ssim_map(original: Plane, decoded: Plane) -> NDArray[np.float32]:
    """Return SSIM at each place where the window lies inside.

    Written with sum and difference of the planes: four filters instead of five, and variances about
    values near the means, which keep their digits in float32.
    """
    plus = cv2.add(original, decoded, dtype=cv2.CV_32F)
    minus = cv2.subtract(original, decoded, dtype=cv2.CV_32F)
    level = round(float(plus.mean()))
    plus -= level
    mean_plus, mean_minus = _windowed(plus), _windowed(minus)
    var_plus = _windowed(plus * plus) - mean_plus * mean_plus
    mean_plus, mean_minus = np.square(mean_plus + level), np.square(mean_minus)
    var_minus = _windowed(minus * minus) - mean_minus
    luminance = (mean_plus - mean_minus + 2 * _SSIM_C1) / (mean_plus + mean_minus + 2 * _SSIM_C1)
    structure = (var_plus - var_minus + 2 * _SSIM_C2) / (var_plus + var_minus + 2 * _SSIM_C2)
    return np.asarray(luminance * structure, dtype=np.float32)


def _windowed(values: cv2.typing.MatLike) -> NDArray[np.float32]:
    """Return the Gaussian-weighted mean at each place where the window lies inside."""
    filtered = cv2.sepFilter2D(values, cv2.CV_32F, _SSIM_WINDOW, _SSIM_WINDOW)
    inside = slice(_SSIM_RADIUS, -_SSIM_RADIUS)
    return np.asarray(filtered[inside, inside], dtype=np.float32)


def _gaussian_window() -> NDArray[np.float32]:
    distance = np.arange(-_SSIM_RADIUS, _SSIM_RADIUS + 1)
    weights = np.exp(-(distance**2) / (2 * _SSIM_SIGMA**2))
    return np.asarray(weights / weights.sum(), dtype=np.float32)


_SSIM_WINDOW = _gaussian_window()


def _mirrored(plane: Plane) -> Plane:
    edge = _SSIM_RADIUS
    framed = cv2.copyMakeBorder(plane, edge, edge, edge, edge, cv2.BORDER_REFLECT_101)
    return np.asarray(framed, dtype=np.uint8)


def _check_planes(original: Plane, decoded: Plane) -> None:
    for plane, side in ((original, "original"), (decoded, "decoded")):
        if plane.dtype != np.uint8 or plane.ndim != 2 or plane.size == 0:
            raise ValueError(f"{side} plane is {plane.dtype} {plane.shape}, expected uint8 (height, width)")
    if original.shape != decoded.shape:
        raise ValueError(f"planes differ in shape: original {original.shape}, decoded {decoded.shape}")
