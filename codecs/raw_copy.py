"""Raw copy: every sample as it is, no compression at all.

The simplest program that keeps the codec contract (frame form). It ignores the QP, loses nothing and
shows what a frame costs uncompressed: 12 bits a pixel.
"""

import numpy as np


def compress_video_frame(frame, frame_index, config):
    """Return the samples of the planes y, u, v, one after the other."""
    return b"".join(plane.tobytes() for plane in frame)


def decompress_video_frame(data, frame_index, config):
    """Return the planes that `compress_video_frame` wrote."""
    width, height = config["width"], config["height"]
    samples = np.frombuffer(data, np.uint8)
    y, u, v = np.split(samples, [width * height, width * height * 5 // 4])
    half = (height // 2, width // 2)
    return y.reshape(height, width).copy(), u.reshape(half).copy(), v.reshape(half).copy()
