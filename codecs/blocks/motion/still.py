# ruff: noqa: F821
"""No motion: a macroblock is taken from the same place of a reference, or coded on its own."""

import numpy as np

ABOUT = {
    "rate": 100,
    "hypothesis": "take macroblocks from the same place of the picture before",
    "choices": {},
}

INTRA_BITS = 20
"""What an intra macroblock costs more than a predicted one, in bits (a guess)."""


def find_motion(source, references, qp):
    """Return a plan with direction, split and vectors: the cheapest of intra and the references, by macroblock."""
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    vectors = np.zeros((2, 2 * rows, 2 * columns, 2), np.int32)
    costs = [intra_costs(source[0]) + INTRA_BITS * 2 ** ((qp - 12) / 6)]
    sides = [fetch(reference, vectors[0])[0].astype(np.int16) for reference in references]
    if len(sides) == 2:
        sides.append((sides[0] + sides[1] + 1) >> 1)
    costs += [macroblock_sums(np.abs(source[0] - side)) for side in sides]
    return {
        "direction": np.argmin(costs, 0).astype(np.int8),
        "split": np.zeros((rows, columns), np.int8),
        "vectors": vectors,
    }


def code_motion(coder, plan, rows, columns, references):
    """Write or read the direction of every macroblock; the neighbours' directions are the context."""
    wanted = plan.get("direction")
    plan["direction"] = direction = np.zeros((rows, columns), np.int8)
    plan["split"] = np.zeros((rows, columns), np.int8)
    plan["vectors"] = np.zeros((2, 2 * rows, 2 * columns, 2), np.int32)
    for row, column in np.ndindex(rows, columns) if references else ():
        left = direction[row, column - 1] if column else 4
        above = direction[row - 1, column] if row else 4
        value = None if wanted is None else int(wanted[row, column])
        direction[row, column] = coder.symbol("direction", value, int(left) * 5 + int(above))
