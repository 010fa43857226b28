"""zlib: all symbols and all levels as bytes, nothing modelled."""

import zlib

import numpy as np

ABOUT = {
    "rate": 100,
    "hypothesis": "pack everything with zlib",
    "choices": {},
}


class Coder:
    """Writes symbols (no data given) or reads them back, in the same order."""

    def __init__(self, data=None):
        self.reading = data is not None
        self.memory = {}
        self.values = []
        if self.reading:
            pairs = np.frombuffer(zlib.decompress(data), np.uint8).reshape(2, -1).T
            self.values = np.ascontiguousarray(pairs).view("<i2")[:, 0]
        self.position = 0

    def symbol(self, kind, value, context):
        """Write `value`, or read and return one (then value is None)."""
        if not self.reading:
            self.values.append(value)
            return value
        self.position += 1
        return int(self.values[self.position - 1])

    def array(self, values, count):
        """Write an array, or read and return `count` values."""
        if not self.reading:
            self.values.extend(values.tolist())
            return values
        self.position += count
        return self.values[self.position - count : self.position]

    def finish(self):
        """Return the bitstream; low and high bytes apart, since the high ones hardly ever change."""
        pairs = np.array(self.values, "<i2").view(np.uint8).reshape(-1, 2).T
        packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_RLE)  # runs of zeros are all there is to find
        return packer.compress(pairs.tobytes()) + packer.flush()


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
