"""Distortion between original and decoded frames, one frame at a time: PSNR, SSIM, MS-SSIM, worst block."""

from labkit.metrics.distortion import BLOCK, Distortion, Quality, frame_hash, psnr, squared_error, worst_block
from labkit.metrics.planes import PEAK_8_BIT
from labkit.metrics.similarity import SCALES, Similarity, ms_ssim, ssim

__all__ = [
    "BLOCK",
    "PEAK_8_BIT",
    "SCALES",
    "Distortion",
    "Quality",
    "Similarity",
    "frame_hash",
    "ms_ssim",
    "psnr",
    "squared_error",
    "ssim",
    "worst_block",
]
