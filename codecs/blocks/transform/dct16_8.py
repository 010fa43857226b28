# ruff: noqa: F821
"""Two transforms: 16x16 where the residual is smooth, 8x8 elsewhere, chosen by macroblock."""

import numpy as np

ABOUT = {
    "rate": 95,
    "hypothesis": "let each macroblock choose a 16x16 or an 8x8 DCT: smooth areas need a quarter of the coefficients",
    "extends": "dct8",
    "choices": {"SIZE_BIAS": [0.9, 1.0, 1.1]},
}

SIZE_BIAS = 1.0
"""The 16x16 transform is taken where its cost is below this times the cost of four 8x8."""


DCTS = {8: dct_matrix(8), 16: dct_matrix(16)}


def choose_sizes(residual, qp):
    """Return the transform size of every macroblock: 1 for 16x16, 0 for 8x8; the cost is a guess at the bits."""
    step = 2.0 ** ((qp - 4) / 6)
    costs = []
    for size in (8, 16):
        magnitude = (transform_plane(residual[0], DCTS[size]) / (2.0**20 * step)).astype(np.float32)
        bits = np.log2(1 + magnitude * magnitude)
        height, width = bits.shape
        costs.append(bits.reshape(height // 16, 16, width // 16, 16).sum((1, 3)))
    return (costs[1] <= costs[0] * SIZE_BIAS).astype(np.int8)


def code_sizes(coder, plan, rows, columns):
    """Write or read the transform size of every macroblock: 0, 1, or 2 for a predicted one without luma levels."""
    wanted = None
    if "sizes" in plan:
        empty = ~(plan["levels"][0] != 0).reshape(rows, 16, columns, 16).any((1, 3)) & (plan["direction"] > 0)
        wanted = np.where(empty, 2, plan["sizes"])
    sizes = plan["sizes"] = np.zeros((rows, columns), np.int8)
    for row in range(rows):
        for column in range(columns):
            left = sizes[row, column - 1] if column else 3
            above = sizes[row - 1, column] if row else 3
            value = None if wanted is None else int(wanted[row, column])
            kind = "size" if plan["direction"][row, column] else "intra size"
            sizes[row, column] = coder.symbol(kind, value, int(left) * 4 + int(above))


def sample_sizes(sizes):
    """Return True for luma samples in a macroblock with a 16x16 transform."""
    return sizes.repeat(16, 0).repeat(16, 1) == 1


def forward(residual, sizes, is_chroma):
    """Return the coefficients of a residual plane, float64, orthonormal scale; chroma is always 8x8."""
    small = transform_plane(residual, DCTS[8]) / 2.0**20
    if is_chroma or not sizes.any():
        return small
    return np.where(sample_sizes(sizes), transform_plane(residual, DCTS[16]) / 2.0**20, small)


def inverse(levels, sizes, is_chroma, qp):
    """Return the residual of a plane of levels, int32."""
    small = inverse_plane(levels, DCTS[8], qp)
    if is_chroma or not sizes.any():
        return small
    return np.where(sample_sizes(sizes), inverse_plane(levels, DCTS[16], qp), small)
