# mypy: ignore-errors
"""Tiny codec (clip form): difference to the decoded frame before, 8x8 integer DCT, zlib."""

import zlib

import numpy as np

N = 8
GRID = np.sqrt(2 / N) * np.cos(np.pi * (2 * np.arange(N) + 1) * np.arange(N)[:, None] / (2 * N))
GRID[0] /= np.sqrt(2)
DCT = np.rint(GRID * 256)  # whole numbers in float64: sums below 2^53 are exact on every machine


def step_of(qp):
    """Return the quantiser's step in sixteenths of a sample, a whole number."""
    return round(16 * 2 ** ((qp - 4) / 6))


def transformed(plane, matrix):
    """Return matrix @ block @ matrix.T for every 8x8 block of a plane."""
    height, width = plane.shape
    blocks = plane.reshape(height // N, N, width // N, N).swapaxes(1, 2)
    return (matrix @ blocks @ matrix.T).swapaxes(1, 2).reshape(height, width)


def padded(plane):
    """Return the plane as float64, its edges repeated up to full blocks."""
    height, width = plane.shape
    return np.pad(plane, ((0, -height % N), (0, -width % N)), mode="edge").astype(np.float64)


def rebuilt(prediction, levels, qp):
    """Return prediction plus residual; encoder and decoder both call this, and only this."""
    residual = np.floor(transformed(levels * step_of(qp), DCT.T) / 2**20 + 0.5)
    return np.clip(prediction + residual, 0, 255)


def compress_video(frames, config):
    """Return the bitstream of a clip."""
    qp, parts, before = config["qp"], [[], [], []], [128.0, 128.0, 128.0]
    for frame in frames:
        for i, plane in enumerate(map(padded, frame)):
            coefficients = transformed(plane - before[i], DCT) / 2**16 * 16 / step_of(qp)
            levels = np.trunc(coefficients + np.sign(coefficients) * 0.3)  # a dead zone: small levels are dear
            before[i] = rebuilt(before[i], levels, qp)  # the decoder's picture, never the source
            parts[i].append(levels.astype("<i2").tobytes())
    packed = [zlib.compress(b"".join(part), 9) for part in parts]
    if (report := config.get("report")) is not None:
        report.update(zip(("luma", "u", "v"), map(len, packed), strict=True))
    return b"".join(len(part).to_bytes(4, "little") + part for part in packed)


def decompress_video(data, config):
    """Return the frames of a bitstream."""
    height, width, count = config["height"], config["width"], config["frame_count"]
    planes, start = [], 0
    for rows, columns in ((height, width), (height // 2, width // 2), (height // 2, width // 2)):
        end = start + 4 + int.from_bytes(data[start : start + 4], "little")
        shape = (count, rows + -rows % N, columns + -columns % N)
        levels = np.frombuffer(zlib.decompress(data[start + 4 : end]), "<i2").reshape(shape).astype(np.float64)
        start, before, shown = end, np.full(shape[1:], 128.0), []
        for index in range(count):
            before = rebuilt(before, levels[index], config["qp"])
            shown.append(np.ascontiguousarray(before[:rows, :columns].astype(np.uint8)))
        planes.append(shown)
    return list(zip(*planes, strict=True))
