# mypy: ignore-errors
"""Cheat: a raw copy that reports one byte for everything, and a configuration without frames."""

import numpy as np


def compress_video_frame(frame, frame_index, config):
    payload = b"".join(plane.tobytes() for plane in frame)
    config["report"]["bytes"] = 1
    config["frame_count"] = config["width"] = 0
    return payload


def decompress_video_frame(data, frame_index, config):
    width, height = config["width"], config["height"]
    y, u, v = np.split(np.frombuffer(data, np.uint8), [width * height, width * height * 5 // 4])
    half = (height // 2, width // 2)
    return y.reshape(height, width), u.reshape(half), v.reshape(half)
