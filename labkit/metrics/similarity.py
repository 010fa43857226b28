"""SSIM and MS-SSIM of two planes: how like each other they look, at one scale and at five."""

from collections.abc import Iterator
from math import prod

import cv2
import numpy as np
from numpy.typing import NDArray

from labkit.clip import Plane
from labkit.metrics.planes import PEAK_8_BIT, check_planes

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales of MS-SSIM, finest first.

Source:
    Z. Wang, E. Simoncelli, A. Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003.
"""

_RADIUS = 5
_SIGMA = 1.5
_C1, _C2 = (0.01 * PEAK_8_BIT) ** 2, (0.03 * PEAK_8_BIT) ** 2
_STRIPE_SAMPLES, _STRIPE_ROWS = 64 * 1920, 64  # a stripe's float32 planes stay in the cache: half the time of a frame
_MIN_SIDE_OF_FIVE_SCALES = 2 * _RADIUS * 2 ** (len(SCALES) - 1) + 1

_Floats = NDArray[np.float32]
_Pair = tuple[_Floats, _Floats]
"""Sum and difference of the two planes, or what is made of them."""


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
    check_planes(original, decoded)
    return Similarity(*_sides(original), SCALES[:1]).of(original, decoded)[0]


def ms_ssim(original: Plane, decoded: Plane) -> float | None:
    """Return the multi-scale structural similarity, at most 1 (equal planes); None below 161 samples a side.

    Each scale halves the one before by means of 2x2 samples, the edge of an odd side repeated. The contrast
    and structure of a scale that are below 0 in the mean count as 0.

    Raises:
        ValueError: the planes are not uint8 of one two-dimensional shape.

    Source:
        As `SCALES`; window and constants as `ssim`.
    """
    check_planes(original, decoded)
    return Similarity(*_sides(original)).of(original, decoded)[1]


class Similarity:
    """SSIM and MS-SSIM of planes of one shape; they share the first scale. Keeps its working memory, no pixels.

    Written with sum and difference of the planes: four filters instead of five, and variances about
    values near the means, which keep their digits in float32. Halving is exact: 16 bits hold four halvings.
    """

    def __init__(self, height: int, width: int, scales: tuple[float, ...] = SCALES) -> None:
        """Expect planes of `height` x `width` samples."""
        whole = min(height, width) >= _MIN_SIDE_OF_FIVE_SCALES
        self._weights = scales if whole else scales[:1]
        self._framed = min(height, width) <= 2 * _RADIUS
        frame = 2 * _RADIUS * self._framed
        self._memory = np.empty((7, _stripe_samples(height + frame, width + frame)), np.float32)
        self._scales: list[_Pair] = []
        for _ in self._weights[1:]:
            height, width = -(-height // 2), -(-width // 2)
            self._scales.append((np.empty((height, width), np.float32), np.empty((height, width), np.float32)))

    def of(self, original: Plane, decoded: Plane) -> tuple[float, float | None]:
        """Return SSIM and MS-SSIM of two uint8 planes; None for the latter where five scales do not fit."""
        if self._framed:
            original, decoded = _mirrored(original), _mirrored(decoded)
        stripes, wholes, contrasts = self._stripes(original, decoded), [], []
        for halves in (*self._scales, None):
            whole, contrast = self._means(stripes, halves)
            wholes.append(whole)
            contrasts.append(contrast)
            stripes = self._stripes_of_scale(halves) if halves else stripes
        if not self._scales:
            return wholes[0], None
        factors = zip([*contrasts[:-1], wholes[-1]], self._weights, strict=True)
        return wholes[0], prod(max(0.0, mean) ** weight for mean, weight in factors)

    def _stripes(self, original: Plane, decoded: Plane) -> Iterator[_Pair]:
        for rows in _stripe_rows(original.shape):
            plus, minus = self._work(2, original[rows].shape)
            cv2.add(original[rows], decoded[rows], dst=plus, dtype=cv2.CV_32F)
            cv2.subtract(original[rows], decoded[rows], dst=minus, dtype=cv2.CV_32F)
            yield plus, minus

    def _stripes_of_scale(self, scale: _Pair) -> Iterator[_Pair]:
        for rows in _stripe_rows(scale[0].shape):
            plus, minus = self._work(2, scale[0][rows].shape)
            plus[:], minus[:] = scale[0][rows], scale[1][rows]
            yield plus, minus

    def _means(self, stripes: Iterator[_Pair], halves: _Pair | None) -> tuple[float, float]:
        """Return SSIM of one scale, and its contrast and structure alone; fill `halves`, the next scale, on the way."""
        ssim = contrast = 0.0
        places, top = 0, 0
        for plus, minus in stripes:
            if halves:
                _halve(plus, halves[0][top // 2 :])
                _halve(minus, halves[1][top // 2 :])
            rows, columns = (side - 2 * _RADIUS for side in plus.shape)
            stripe_ssim, stripe_contrast = self._sums(plus, minus)
            ssim, contrast = ssim + stripe_ssim, contrast + stripe_contrast
            places, top = places + rows * columns, top + rows
        return ssim / places, contrast / places

    def _sums(self, plus: _Floats, minus: _Floats) -> tuple[float, float]:
        """Return the sums of SSIM and of contrast and structure over all places; both arguments are used up."""
        mean_plus, mean_minus, var_plus, var_minus, contrast = self._work(7, plus.shape)[2:]
        level = round(cv2.mean(plus)[0])
        plus -= level
        for values, means, variances in ((plus, mean_plus, var_plus), (minus, mean_minus, var_minus)):
            cv2.sepFilter2D(values, cv2.CV_32F, _WINDOW, _WINDOW, dst=means)
            values *= values
            cv2.sepFilter2D(values, cv2.CV_32F, _WINDOW, _WINDOW, dst=variances)
            np.multiply(means, means, out=values)
            variances -= values
        mean_plus += level
        mean_plus *= mean_plus
        mean_minus *= mean_minus
        _share(var_plus, var_minus, 2 * _C2, contrast)
        luminance = _share(mean_plus, mean_minus, 2 * _C1, plus)
        luminance *= contrast
        inside = slice(_RADIUS, -_RADIUS)
        return cv2.sumElems(luminance[inside, inside])[0], cv2.sumElems(contrast[inside, inside])[0]

    def _work(self, count: int, shape: tuple[int, ...]) -> list[_Floats]:
        size = shape[0] * shape[1]
        return [values[:size].reshape(shape) for values in self._memory[:count]]


def _stripe_rows(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield the rows of each stripe: an even number of rows of places, and what their windows reach."""
    height, width = shape
    step = max(_STRIPE_ROWS, _STRIPE_SAMPLES // width // 2 * 2)
    for top in range(0, height - 2 * _RADIUS, step):
        yield slice(top, min(top + step + 2 * _RADIUS, height))


def _stripe_samples(height: int, width: int) -> int:
    """Return the size of the largest stripe; those of halved planes are smaller."""
    return len(range(height)[next(_stripe_rows((height, width)))]) * width


def _share(plus: _Floats, minus: _Floats, constant: float, out: _Floats) -> _Floats:
    """Return (plus - minus + constant) / (plus + minus + constant) in `out`; `plus` is used up."""
    np.subtract(plus, minus, out=out)
    out += constant
    plus += minus
    plus += constant
    out /= plus
    return out


def _halve(values: _Floats, half: _Floats) -> None:
    """Write means of 2x2 samples to the first rows of `half`; the edge of an odd side is repeated."""
    rows, columns = values.shape
    if rows % 2 or columns % 2:
        framed = cv2.copyMakeBorder(values, 0, rows % 2, 0, columns % 2, cv2.BORDER_REPLICATE)
        values = np.asarray(framed, dtype=np.float32)
    rows, columns = values.shape[0] // 2, values.shape[1] // 2
    cv2.resize(values, (columns, rows), dst=half[:rows], interpolation=cv2.INTER_AREA)


def _gaussian_window() -> _Floats:
    distance = np.arange(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-(distance**2) / (2 * _SIGMA**2))
    return np.asarray(weights / weights.sum(), dtype=np.float32)


_WINDOW = _gaussian_window()


def _mirrored(plane: Plane) -> Plane:
    edge = _RADIUS
    framed = cv2.copyMakeBorder(plane, edge, edge, edge, edge, cv2.BORDER_REFLECT_101)
    return np.asarray(framed, dtype=np.uint8)


def _sides(plane: Plane) -> tuple[int, int]:
    height, width = plane.shape
    return height, width
