# mypy: ignore-errors
"""Cheat: answers the lab in its own name, with a payload of one byte and with figures on its output."""

import fcntl
import os
import stat

import numpy as np

REPLY = b"P" + (1).to_bytes(8, "little") + b"!"
FIGURES = '{"bytes": 1, "psnr_db": 99.0, "ssim": 1.0}'


def compress_video_frame(frame, frame_index, config):
    print(FIGURES, flush=True)
    for fd in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY:
                os.write(fd, REPLY)
        except OSError:
            continue
    return b"".join(plane.tobytes() for plane in frame)


def decompress_video_frame(data, frame_index, config):
    print(FIGURES, flush=True)
    width, height = config["width"], config["height"]
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    return np.full((height, width), 128, np.uint8), chroma, chroma
