# ruff: noqa: F821
"""Rounding towards zero: a level has to be worth its bits."""

import numpy as np

ABOUT = {
    "rate": 90,
    "hypothesis": "round towards zero: small levels cost more bits than the error they remove is worth",
    "choices": {"INTRA_ROUNDING": [0.28, 0.33, 0.38], "INTER_ROUNDING": [0.15, 0.2, 0.25]},
}

INTRA_ROUNDING = 0.33
"""Added before rounding down, in steps; 0.5 would round to the nearest."""

INTER_ROUNDING = 0.2


def quantise(coefficients, plan, qp):
    """Return the levels of three planes of coefficients, int32."""
    step = 2.0 ** ((qp - 4) / 6)
    levels = []
    for plane, intra in zip(coefficients, intra_samples(plan["direction"]), strict=True):
        magnitude = np.floor(np.abs(plane) / step + np.where(intra, INTRA_ROUNDING, INTER_ROUNDING))
        levels.append((np.sign(plane) * magnitude).astype(np.int32))
    return levels
