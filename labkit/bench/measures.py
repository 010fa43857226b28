"""What scoring a frame costs, on one core."""

import time
from collections.abc import Callable

import cv2

from labkit.bench.figure import Figure, figure
from labkit.footage.synthetic import synthetic_clip
from labkit.metrics import Distortion, Similarity, frame_hash, psnr, ssim, worst_block

_RUNS = 30


def metrics() -> list[Figure]:
    """PSNR, SSIM and MS-SSIM of one 1080p frame, and all that is measured of it: CPU milliseconds of one thread."""
    clip = synthetic_clip("photo_pan", 1920, 1080, frames=2)
    original, decoded = clip.frame(0), clip.frame(1)
    y, other = original[0], decoded[0]
    similarity, distortion = Similarity(1080, 1920), Distortion(1920, 1080)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return [
            _ms("PSNR of a luma plane", lambda: psnr(y, other)),
            _ms("PSNR of all three planes", lambda: [psnr(*planes) for planes in zip(original, decoded, strict=True)]),
            _ms("SSIM", lambda: ssim(y, other)),
            _ms("SSIM and MS-SSIM together", lambda: similarity.of(y, other)),
            _ms("worst block", lambda: worst_block(y, other)),
            _ms("hash of the decoded frame", lambda: frame_hash(decoded)),
            _ms("all that is measured of a frame", lambda: distortion.add(original, decoded)),
        ]
    finally:
        cv2.setNumThreads(threads)


def _ms(what: str, measure: Callable[[], object]) -> Figure:
    values = []
    for _ in range(_RUNS):
        started = time.thread_time()
        measure()
        values.append(1000 * (time.thread_time() - started))
    return figure(f"{what}, 1920x1080", "ms of CPU", values)
