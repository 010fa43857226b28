"""Vectors in quarter samples, with the eight-tap luma and four-tap chroma filters of HEVC."""

import cv2
import numba
import numpy as np

ABOUT = {
    "rate": 65,
    "hypothesis": "vectors in quarter samples with HEVC's eight-tap filters: things seldom move by whole "
    "samples, and a sharp interpolation keeps the texture",
    "needs": {"motion": ["blocks", "merged"]},
    "choices": {},
}

PRECISION = 4
"""Vector units per luma sample."""

BORDER = 48
"""Samples by which a reference goes on beyond its edges, repeated; vectors may point there."""

LUMA_TAPS = np.array(
    [
        [0, 0, 0, 64, 0, 0, 0, 0],
        [-1, 4, -10, 58, 17, -5, 1, 0],
        [-1, 4, -11, 40, 40, -11, 4, -1],
        [0, 1, -5, 17, 58, -10, 4, -1],
    ],
    np.float32,
)
"""Source: ITU-T H.265, table 8-11."""

CHROMA_TAPS = np.array(
    [
        [0, 64, 0, 0],
        [-2, 58, 10, -2],
        [-4, 54, 16, -2],
        [-6, 46, 28, -4],
        [-4, 36, 36, -4],
        [-4, 28, 46, -6],
        [-2, 16, 54, -4],
        [-2, 10, 58, -2],
    ],
    np.int32,
)
"""Source: ITU-T H.265, table 8-12."""


def make_reference(planes):
    """Return a picture prepared for prediction: luma (16, H + borders, W + borders) by phase, then u and v extended."""
    luma, u, v = (np.pad(p, BORDER if i == 0 else BORDER // 2, mode="edge") for i, p in enumerate(planes))
    phases = np.empty((16, *luma.shape), np.uint8)
    for phase in range(16):
        vertical, horizontal = LUMA_TAPS[phase // 4], LUMA_TAPS[phase % 4]
        # integers below 2^24 in float32: exact, so that encoder and decoder agree on any machine
        exact = cv2.sepFilter2D(luma, cv2.CV_32F, horizontal, vertical, anchor=(3, 3), borderType=cv2.BORDER_REPLICATE)
        phases[phase] = np.clip(np.floor((exact + 2048) / 4096), 0, 255)
    return phases, u, v


@numba.njit(
    "void(uint8[:, :, ::1], uint8[:, ::1], uint8[:, ::1], int32[:, :, ::1], int32[:, ::1], int64, "
    "uint8[:, ::1], uint8[:, ::1], uint8[:, ::1])"
)
def fetch_blocks(phases, u, v, vectors, taps, border, out_y, out_u, out_v):
    """Fill the prediction block by block."""
    for row in range(vectors.shape[0]):
        for column in range(vectors.shape[1]):
            dy, dx = vectors[row, column, 0], vectors[row, column, 1]
            phase = (dy & 3) * 4 + (dx & 3)
            y, x = row * 8 + border + (dy >> 2), column * 8 + border + (dx >> 2)
            out_y[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = phases[phase, y : y + 8, x : x + 8]
            y, x = row * 4 + border // 2 + (dy >> 3) - 1, column * 4 + border // 2 + (dx >> 3) - 1
            for i in range(4):
                for j in range(4):
                    sum_u, sum_v = 2048, 2048
                    for k in range(4):
                        for m in range(4):
                            weight = taps[dy & 7, k] * taps[dx & 7, m]
                            sum_u += weight * u[y + i + k, x + j + m]
                            sum_v += weight * v[y + i + k, x + j + m]
                    out_u[row * 4 + i, column * 4 + j] = min(max(sum_u >> 12, 0), 255)
                    out_v[row * 4 + i, column * 4 + j] = min(max(sum_v >> 12, 0), 255)


def fetch(reference, vectors):
    """Return the prediction [y, u, v] from one reference, vectors (rows, columns, 2) by 8x8 luma block."""
    phases, u, v = reference
    height, width = 8 * vectors.shape[0], 8 * vectors.shape[1]
    planes = [np.empty((height, width), np.uint8), *np.empty((2, height // 2, width // 2), np.uint8)]
    fetch_blocks(phases, u, v, np.ascontiguousarray(vectors, np.int32), CHROMA_TAPS, BORDER, *planes)
    return planes
