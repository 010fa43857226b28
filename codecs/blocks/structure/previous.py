"""Each picture refers to the one before."""

ABOUT = {
    "rate": 60,
    "hypothesis": "predict each picture from the one before: most of a video stays as it is",
    "choices": {"INTER_QP_OFFSET": [0, 1, 2]},
}

INTER_QP_OFFSET = 1
"""Added to the QP of predicted pictures: errors of the first are seen in all that follow."""


def coding_order(frame_count):
    """Return the pictures in coding order: (index, indices of its references, QP offset)."""
    return [(i, (i - 1,) if i else (), INTER_QP_OFFSET if i else 0) for i in range(frame_count)]
