"""Every picture on its own: no picture refers to another."""

ABOUT = {
    "rate": 100,
    "hypothesis": "code every picture on its own",
    "choices": {},
}


def coding_order(frame_count):
    """Return the pictures in coding order: (index, indices of its references, QP offset)."""
    return [(index, (), 0) for index in range(frame_count)]
