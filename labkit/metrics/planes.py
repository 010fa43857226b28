"""What all measures ask of two planes."""

import numpy as np

from labkit.clip import Plane

PEAK_8_BIT = 255


def check_planes(original: Plane, decoded: Plane) -> None:
    """Raise ValueError unless both planes are uint8 of one two-dimensional shape."""
    for plane, side in ((original, "original"), (decoded, "decoded")):
        if plane.dtype != np.uint8 or plane.ndim != 2 or plane.size == 0:
            raise ValueError(f"{side} plane is {plane.dtype} {plane.shape}, expected uint8 (height, width)")
    if original.shape != decoded.shape:
        raise ValueError(f"planes differ in shape: original {original.shape}, decoded {decoded.shape}")
