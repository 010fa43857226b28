"""One transform: the 8x8 DCT in integers, so that every machine rebuilds the same samples."""

import numpy as np

ABOUT = {
    "rate": 100,
    "hypothesis": "an 8x8 DCT everywhere",
    "choices": {},
}


def dct_matrix(size):
    """Return the DCT-II times 1024, rounded: float64 (size, size), whole numbers only."""
    k, n = np.arange(size)[:, None], np.arange(size)[None, :]
    matrix = np.sqrt(2 / size) * np.cos(np.pi * (2 * n + 1) * k / (2 * size))
    matrix[0] /= np.sqrt(2)
    return np.rint(1024 * matrix)


DCTS = {8: dct_matrix(8)}


def level_scale(qp):
    """Return the quantiser's step in sixteenths of a sample: a whole number that doubles every 6 QP."""
    return round(16 * 2 ** ((qp - 4) / 6))


def transform_plane(plane, matrix):
    """Return matrix @ block @ matrix.T for every block of a plane, in place order, float64."""
    size = len(matrix)
    height, width = plane.shape
    columns = np.matmul(matrix, plane.reshape(height // size, size, width).astype(np.float64))
    return (columns.reshape(-1, size) @ matrix.T).reshape(height, width)


def inverse_plane(levels, matrix, qp):
    """Return the residual, int32, of a plane of levels; whole numbers below 2^53 in float64 are exact."""
    return np.floor((transform_plane(levels * level_scale(qp), matrix.T) + 2.0**23) / 2.0**24).astype(np.int32)


def choose_sizes(residual, qp):
    """Return the transform size of every macroblock: 0 for 8x8."""
    height, width = residual[0].shape
    return np.zeros((height // 16, width // 16), np.int8)


def code_sizes(coder, plan, rows, columns):
    """There is nothing to code."""
    plan["sizes"] = np.zeros((rows, columns), np.int8)


def forward(residual, sizes, is_chroma):
    """Return the coefficients of a residual plane, float64, orthonormal scale."""
    return transform_plane(residual, DCTS[8]) / 2.0**20


def inverse(levels, sizes, is_chroma, qp):
    """Return the residual of a plane of levels, int32."""
    return inverse_plane(levels, DCTS[8], qp)
