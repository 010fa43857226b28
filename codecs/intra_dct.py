"""Intra DCT: each frame on its own, as JPEG does it. Version 0 of the default campaign (frame form).

Per plane: 8x8 DCT, uniform quantisation with the HEVC step 2^((QP - 4) / 6), the DC as a difference to
the block before, all coefficients of one frequency side by side in zigzag order, then zlib.
Honest but modest: no prediction from other frames, no rate-distortion decision, no loop filter.
"""

import zlib

import numpy as np

SIZE = 8
"""Samples along one side of a transform block."""


def dct_matrix():
    """Return the orthonormal DCT-II, float64 (8, 8): one basis function a row."""
    k, n = np.arange(SIZE)[:, None], np.arange(SIZE)[None, :]
    matrix = np.sqrt(2 / SIZE) * np.cos(np.pi * (2 * n + 1) * k / (2 * SIZE))
    matrix[0] /= np.sqrt(2)
    return matrix


DCT = dct_matrix()
ZIGZAG = np.array(
    sorted(
        range(SIZE * SIZE), key=lambda i: (sum(divmod(i, SIZE)), (i // SIZE, i % SIZE)[sum(divmod(i, SIZE)) % 2 == 0])
    )
)
"""Positions of an 8x8 block, flattened, in zigzag order."""


def quantiser_step(qp):
    """Return the distance of two reconstruction levels; it doubles every 6 QP."""
    return 2.0 ** ((qp - 4) / 6)


def split_blocks(plane):
    """Return the 8x8 blocks of a plane as float64 (rows, columns, 8, 8), edges repeated to full blocks."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % SIZE), (0, -width % SIZE)), mode="edge").astype(np.float64)
    rows, columns = padded.shape[0] // SIZE, padded.shape[1] // SIZE
    return padded.reshape(rows, SIZE, columns, SIZE).swapaxes(1, 2)


def join_blocks(blocks, height, width):
    """Return the plane of uint8 that `split_blocks` took apart."""
    rows, columns = blocks.shape[:2]
    plane = blocks.swapaxes(1, 2).reshape(rows * SIZE, columns * SIZE)[:height, :width]
    return np.ascontiguousarray(np.clip(np.rint(plane), 0, 255).astype(np.uint8))


def quantise_plane(plane, step):
    """Return the levels of a plane by frequency: int16 (64, blocks)."""
    coefficients = DCT @ (split_blocks(plane) - 128.0) @ DCT.T
    levels = np.rint(coefficients / step).astype(np.int16)
    return levels.reshape(-1, SIZE * SIZE)[:, ZIGZAG].T.copy()


def rebuild_plane(levels, height, width, step):
    """Return the uint8 plane (height, width) that the levels of `quantise_plane` stand for."""
    flat = np.empty((levels.shape[1], SIZE * SIZE))
    flat[:, ZIGZAG] = levels.T * step
    blocks = flat.reshape(-(-height // SIZE), -(-width // SIZE), SIZE, SIZE)
    return join_blocks(DCT.T @ blocks @ DCT + 128.0, height, width)


def pack_levels(levels):
    """Return int16 levels as bytes; low and high bytes apart, since the high ones hardly ever change."""
    wrapped = levels.copy()
    wrapped[0, 1:] -= levels[0, :-1]
    return wrapped.astype("<i2").view(np.uint8).reshape(-1, 2).T.tobytes()


def unpack_levels(data, blocks):
    """Return the int16 (64, blocks) that `pack_levels` wrote."""
    pairs = np.frombuffer(data, np.uint8).reshape(2, -1).T
    levels = np.ascontiguousarray(pairs).view("<i2").reshape(-1, blocks).astype(np.int16)
    levels[0] = np.cumsum(levels[0], dtype=np.int16)
    return levels


def plane_sizes(config):
    """Return (height, width) of the planes y, u, v."""
    height, width = config["height"], config["width"]
    return (height, width), (height // 2, width // 2), (height // 2, width // 2)


def compress_video_frame(frame, frame_index, config):
    """Return one frame's bitstream; it depends on nothing but this frame and the QP."""
    step = quantiser_step(config["qp"])
    luma, *chroma = (pack_levels(quantise_plane(p, step)) for p in frame)
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_RLE)  # runs of zeros are all there is to find
    data = packer.compress(luma)
    luma_bytes = len(data) + len(packer.copy().flush())  # of the bitstream if it ended here
    data += packer.compress(b"".join(chroma)) + packer.flush()
    tell(config, {"luma levels": luma_bytes, "chroma levels": len(data) - luma_bytes})
    return data


def tell(config, sizes):
    """Add the bytes of each part to the encoder's report, where one is asked for."""
    report = config.get("report")
    for part, size in sizes.items() if report is not None else ():
        report[part] = report.get(part, 0) + size


def decompress_video_frame(data, frame_index, config):
    """Return the planes (y, u, v) of one frame."""
    step = quantiser_step(config["qp"])
    samples = zlib.decompress(data)
    planes, start = [], 0
    for height, width in plane_sizes(config):
        blocks = -(-height // SIZE) * -(-width // SIZE)
        end = start + blocks * SIZE * SIZE * 2
        planes.append(rebuild_plane(unpack_levels(samples[start:end], blocks), height, width, step))
        start = end
    return tuple(planes)
