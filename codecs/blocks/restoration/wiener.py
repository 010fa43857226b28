"""A filter fitted to each picture by least squares (Wiener), its weights sent with it."""

import numpy as np

ABOUT = {
    "rate": 98.5,
    "hypothesis": "fit a small symmetric filter to each picture by least squares and send its weights: it takes "
    "away what quantisation added, for this picture and for all that are predicted from it",
    "choices": {"WEIGHT_BITS": [5, 6, 7]},
}

WEIGHT_BITS = 6
"""Weights are sent in units of 1 / 2^WEIGHT_BITS."""

LUMA_PLACES = ((0, 1), (0, 2), (0, 3), (1, -2), (1, -1), (1, 0), (1, 1), (1, 2), (2, -1), (2, 0), (2, 1), (3, 0))
CHROMA_PLACES = ((0, 1), (0, 2), (1, -1), (1, 0), (1, 1), (2, 0))
"""Half of a diamond: (down, right) of a sample; the other half mirrors it."""

OFF, KEPT, NEW = 0, 1, 2


def spread(plane, places):
    """Return what each place and its mirror differ from the sample between: int32 (places, height, width)."""
    height, width = plane.shape
    wide = np.pad(plane, 3, mode="edge").astype(np.int32)
    shifted = {(y, x): wide[3 + y : 3 + y + height, 3 + x : 3 + x + width] for y in range(-3, 4) for x in range(-3, 4)}
    return np.stack([shifted[y, x] + shifted[-y, -x] - 2 * shifted[0, 0] for y, x in places])


def fitted_weights(differences, error):
    """Return the whole-number weights that remove most of the error."""
    flat = differences.reshape(len(differences), -1).astype(np.float64)
    gram = flat @ flat.T + np.eye(len(flat)) * 64
    weights = np.linalg.solve(gram, flat @ error.ravel())
    return np.clip(np.rint(weights * 2**WEIGHT_BITS), -127, 127).astype(np.int32)


def filtered(plane, differences, weights):
    """Return the uint8 plane after the filter."""
    change = np.tensordot(weights, differences, 1)
    return np.clip(plane + ((change + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS), 0, 255).astype(np.uint8)


def squared_error(source, plane):
    """Return the sum of squared differences of two uint8 planes."""
    difference = source.astype(np.int32) - plane
    return float(np.vdot(difference, difference))


def choose_filter(source, plane, differences, kept, qp):
    """Return (mode, weights) of the cheapest of no filter, the one sent last, and a new one."""
    weight = 0.57 * 2 ** ((qp - 12) / 3)  # squared error that a bit is worth
    new = fitted_weights(differences, source.astype(np.int32) - plane)
    trials = [(squared_error(source, plane), OFF, kept)]
    if kept.any():
        trials.append((squared_error(source, filtered(plane, differences, kept)) + weight, KEPT, kept))
    bits = 2 + float(np.sum(1 + 2 * np.log2(1 + np.abs(new - kept))))
    trials.append((squared_error(source, filtered(plane, differences, new)) + weight * bits, NEW, new))
    return min(trials, key=lambda trial: trial[0])[1:]


def restore(coder, planes, plan, source, qp):
    """Return the filtered planes; write (or read, if there is no source) the filter of each."""
    restored = []
    for i, plane in enumerate(planes):
        places = CHROMA_PLACES if i else LUMA_PLACES
        kept = coder.memory.setdefault(("weights", i), np.zeros(len(places), np.int32))
        mode, wanted, differences = None, None, None
        if source is not None:
            differences = spread(plane, places)
            mode, wanted = choose_filter(source[i], plane, differences, kept, qp)
        mode = coder.symbol("filter", mode, min(i, 1))
        if mode == NEW:
            steps = [None if wanted is None else int(wanted[k] - kept[k]) for k in range(len(places))]
            steps = [coder.symbol("filter weight", step, min(i, 1)) for step in steps]
            kept = coder.memory["weights", i] = kept + np.array(steps, np.int32)
        if mode == OFF:
            restored.append(plane)
        else:
            differences = spread(plane, places) if differences is None else differences
            restored.append(filtered(plane, differences, kept))
    return restored
