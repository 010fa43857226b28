# ruff: noqa: F821
"""zlib: all symbols and all levels as bytes, nothing modelled."""

import zlib

import numpy as np

ABOUT = {
    "rate": 100,
    "hypothesis": "pack everything with zlib",
    "choices": {},
}


def deflater():
    """Return a zlib stream; runs of zeros are all there is to find."""
    return zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_RLE)


class Coder:
    """Writes symbols (no data given) or reads them back, in the same order."""

    def __init__(self, data=None):
        self.reading = data is not None
        self.memory = {}
        self.values = bytearray()  # two bytes each
        if self.reading:
            pairs = np.frombuffer(zlib.decompress(data), np.uint8).reshape(2, -1).T
            self.values = np.ascontiguousarray(pairs).view("<i2")[:, 0]
        self.position = 0

    def symbol(self, kind, value, context):
        """Write `value`, or read and return one (then value is None)."""
        if not self.reading:
            self.values += value.to_bytes(2, "little", signed=True)
            return value
        self.position += 1
        return int(self.values[self.position - 1])

    def array(self, values, count):
        """Write an array, or read and return `count` values."""
        if not self.reading:
            self.values += values.astype("<i2").tobytes()
            return values
        self.position += count
        return self.values[self.position - count : self.position]

    def place(self):
        """Return how many values have been written."""
        return len(self.values) // 2

    def bits(self, places):
        """Return how many bits of the bitstream the values up to each place take, low and high bytes together."""
        packer, packed, size, sizes = deflater(), 0, 0, []
        for half in (self.values[::2], self.values[1::2]):
            for start, end in zip((0, *places[:-1]), places, strict=True):
                if end > start:
                    packed += len(packer.compress(half[start:end]))
                    size = packed + len(packer.copy().flush())  # as if the bitstream ended here
                sizes.append(size)
        low, high = np.split(8 * np.array(sizes), 2)
        return low + high - low[-1]

    def finish(self):
        """Return the bitstream; low and high bytes apart, since the high ones hardly ever change."""
        packer = deflater()
        return packer.compress(self.values[::2] + self.values[1::2]) + packer.flush()


def zigzag(size):
    """Return the positions of a flattened square block in zigzag order."""
    places = [divmod(i, size) for i in range(size * size)]
    return np.array(sorted(range(size * size), key=lambda i: (sum(places[i]), places[i][sum(places[i]) % 2 == 0])))


def block_positions(height, width, size):
    """Return where the coefficients of each block stand in a flattened plane: (blocks, size * size), zigzag."""
    places = np.arange(height * width).reshape(height // size, size, width // size, size)
    return places.swapaxes(1, 2).reshape(-1, size * size)[:, zigzag(size)]


def code_levels(coder, plan, shapes, qp):
    """Write or read the levels of three planes, all of one frequency side by side."""
    wanted = plan.get("levels")
    plan["levels"] = []
    for i, (height, width) in enumerate(shapes):
        order = block_positions(height, width, 8).T.ravel()
        flat = np.zeros(height * width, np.int32)
        flat[order] = coder.array(wanted[i].ravel()[order] if wanted else None, flat.size)
        plan["levels"].append(flat.reshape(height, width))
        end_part(coder, "chroma levels" if i else "luma levels")
