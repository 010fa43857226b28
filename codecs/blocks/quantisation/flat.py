"""Rounding to the nearest level."""

import numpy as np

ABOUT = {
    "rate": 100,
    "hypothesis": "round every coefficient to the nearest level",
    "choices": {},
}


def quantise(coefficients, plan, qp):
    """Return the levels of three planes of coefficients, int32."""
    step = 2.0 ** ((qp - 4) / 6)
    return [np.rint(plane / step).astype(np.int32) for plane in coefficients]
