"""Rate-distortion decision for every level, with the bits guessed from the levels around it."""

import numpy as np

ABOUT = {
    "rate": 86,
    "hypothesis": "weigh every level's bits against the error it removes, with the bits guessed from the levels "
    "around it, and empty blocks that are not worth theirs: a lonely level is dear, one in company is cheap",
    "choices": {"BIT_WEIGHT": [0.09, 0.12, 0.15], "BLOCK_BITS": [2.0, 4.0, 6.0]},
}

BIT_WEIGHT = 0.12
"""What a bit is worth in squared steps; 0.57 * 2^((QP - 12) / 3) over the step's square would be 0.09."""

BLOCK_BITS = 4.0
"""Bits of a block that is not empty, besides its levels (a guess)."""


def company(magnitude, size):
    """Return the mean magnitude around each coefficient, inside its block of the given size."""
    height, width = magnitude.shape
    blocks = magnitude.reshape(height // size, size, width // size, size)
    wide = np.zeros((height // size, size + 4, width // size, size + 4), np.float32)
    wide[:, 2:-2, :, 2:-2] = blocks
    rows = sum(wide[:, 2 + i : 2 + i + size] * weight for i, weight in ((-2, 1), (-1, 2), (0, 2), (1, 2), (2, 1)))
    total = sum(rows[..., 2 + j : 2 + j + size] * weight for j, weight in ((-2, 1), (-1, 2), (0, 2), (1, 2), (2, 1)))
    return ((total - 4 * blocks) / 60).reshape(height, width)


def decided(magnitude, size):
    """Return the levels' magnitudes for coefficients in steps (float32), decided for blocks of a size."""
    expected = company(np.minimum(magnitude, 8), size) + 0.03
    first = 1.5 + np.log2(1 + 1 / expected)  # bits of a level 1 against none, its sign included
    further = 0.5 + np.log2(1 + 1 / expected) / 2  # bits of one unit more
    lower = np.floor(magnitude)
    bits = np.where(lower == 0, first, further)
    levels = lower + (magnitude - lower > 0.5 + BIT_WEIGHT / 2 * bits)
    # a level 1 that the division left may still not be worth its bits
    alone = (levels == 1) & (2 * magnitude - 1 < BIT_WEIGHT * first)
    levels[alone] = 0
    gain = 2 * magnitude * levels - levels * levels
    cost = np.where(levels > 0, first + (levels - 1) * further, 0)
    height, width = magnitude.shape
    worth = (gain - BIT_WEIGHT * cost).reshape(height // size, size, width // size, size).sum((1, 3))
    kept = worth > BIT_WEIGHT * BLOCK_BITS
    return levels * kept.repeat(size, 0).repeat(size, 1)


def quantise(coefficients, plan, qp):
    """Return the levels of three planes of coefficients, int32."""
    step = 2.0 ** ((qp - 4) / 6)
    levels = []
    for i, plane in enumerate(coefficients):
        magnitude = (np.abs(plane) / step).astype(np.float32)
        chosen = decided(magnitude, 8)
        if i == 0 and plan["sizes"].any():
            large = plan["sizes"].repeat(16, 0).repeat(16, 1) == 1
            chosen = np.where(large, decided(magnitude, 16), chosen)
        levels.append((np.sign(plane) * chosen).astype(np.int32))
    return levels
