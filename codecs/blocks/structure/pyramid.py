"""Hierarchical bidirectional pictures: each refers to the nearest coded one on both sides."""

ABOUT = {
    "rate": 45,
    "hypothesis": "code pictures in a pyramid: one half-way between two coded ones is predicted from both "
    "sides, needs few bits, and may be coarser since nothing or little refers to it",
    "choices": {
        "SPAN": [4, 8, 16],
        "KEY_QP_OFFSET": [-4, -3, -2],
        "LEVEL_QP_OFFSETS": [(0, 2, 3, 4, 6), (0, 2, 4, 5, 6), (0, 1, 3, 4, 5)],
    },
}

SPAN = 16
"""Pictures from one anchor of the pyramid to the next; a power of two."""

KEY_QP_OFFSET = -3
"""Added to the QP of the first picture: everything is predicted from it in the end."""

LEVEL_QP_OFFSETS = (0, 2, 3, 4, 6)
"""Added to the QP by level; the lower levels serve as references for more pictures."""


def between(first, last, level):
    """Return the coding steps of the pictures between two coded ones, the middle one first."""
    if last - first < 2:
        return []
    middle = (first + last) // 2
    step = (middle, (first, last), LEVEL_QP_OFFSETS[min(level, len(LEVEL_QP_OFFSETS) - 1)])
    return [step, *between(first, middle, level + 1), *between(middle, last, level + 1)]


def coding_order(frame_count):
    """Return the pictures in coding order: (index, indices of its references, QP offset)."""
    steps = [(0, (), KEY_QP_OFFSET)]
    for first in range(0, frame_count - 1, SPAN):
        last = min(first + SPAN, frame_count - 1)
        steps += [(last, (first,), LEVEL_QP_OFFSETS[0]), *between(first, last, 1)]
    return steps
