"""Vectors in whole samples: a reference is used as it is."""

import numpy as np

ABOUT = {
    "rate": 100,
    "hypothesis": "vectors in whole samples",
    "choices": {},
}

PRECISION = 1
"""Vector units per luma sample."""

BORDER = 48
"""Samples by which a reference goes on beyond its edges, repeated; vectors may point there."""


def make_reference(planes):
    """Return a picture prepared for prediction: luma (1, H + borders, W + borders), then u and v extended."""
    luma, u, v = (np.pad(p, BORDER if i == 0 else BORDER // 2, mode="edge") for i, p in enumerate(planes))
    return luma[None], u, v


def fetch(reference, vectors):
    """Return the prediction [y, u, v] from one reference, vectors (rows, columns, 2) by 8x8 luma block."""
    height, width = 8 * vectors.shape[0], 8 * vectors.shape[1]
    planes = []
    for i, plane in enumerate((reference[0][0], reference[1], reference[2])):
        cell, border = (8, BORDER) if i == 0 else (4, BORDER // 2)
        y, x = np.mgrid[: height * cell // 8, : width * cell // 8]
        move = vectors.repeat(cell, 0).repeat(cell, 1) // (1 if i == 0 else 2)
        planes.append(plane[y + border + move[..., 0], x + border + move[..., 1]])
    return planes
