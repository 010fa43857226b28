# ruff: noqa: F821
"""Range coding with a Laplace distribution for each frequency band, its width sent with the picture."""

import constriction
import numpy as np

ABOUT = {
    "rate": 58,
    "hypothesis": "range coding (constriction) with a Laplace distribution fitted to each frequency band: "
    "high frequencies are nearly always zero and should cost next to nothing",
    "choices": {},
}

SYMBOLS = 24
"""Alphabet of small symbols: 0, 1, -1, 2, -2 and so on; the last one says that a larger value follows."""

WIDTHS = np.concatenate([[0.0], 0.05 * 1.28 ** np.arange(40)])
"""Widths of the Laplace distributions that can be sent; width 0 stands for a band without any level."""

LEVELS = constriction.stream.model.QuantizedLaplace(-8192, 8191)


class Coder:
    """Writes symbols (no data given) or reads them back, in the same order."""

    def __init__(self, data=None):
        self.reading = data is not None
        self.memory = {}
        if self.reading:
            words = np.frombuffer(data + b"\0" * (-len(data) % 4), "<u4").astype(np.uint32)
            self.stream = constriction.stream.queue.RangeDecoder(words)
        else:
            self.stream = constriction.stream.queue.RangeEncoder()
        self.counts = {}

    def coded(self, model, value):
        """Write `value`, or read and return one, by a given distribution."""
        if self.reading:
            return int(self.stream.decode(model))
        self.stream.encode(value, model)
        return value

    def symbol(self, kind, value, context):
        """Write `value`, or read and return one (then value is None); each kind and context learns as it goes."""
        counts = self.counts.setdefault((kind, context), np.full(SYMBOLS, 0.05, np.float32))
        model = constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)
        folded = None if self.reading else 2 * abs(value) - (value > 0)
        symbol = self.coded(model, None if self.reading else min(folded, SYMBOLS - 1))
        counts[symbol] += 1
        escaped = symbol == SYMBOLS - 1
        folded = self.coded(constriction.stream.model.Uniform(65536), folded) if escaped else symbol
        return (folded + 1) // 2 if folded % 2 else -(folded // 2)

    def laplace(self, values, widths):
        """Write levels, or read and return them, each with the width of its distribution."""
        if self.reading:
            return self.stream.decode(LEVELS, np.zeros(len(widths)), widths)
        self.stream.encode(values.astype(np.int32), LEVELS, np.zeros(len(widths)), widths)
        return values

    def place(self):
        """Return how many bits have been written, with the fraction that the coder's interval stands for."""
        words, (_, interval) = self.stream.pos()
        return 32 * words + 64 - float(np.log2(interval))

    def bits(self, places):
        """Return how many bits have been written up to each place: they are that."""
        return places

    def finish(self):
        """Return the bitstream, without the zero bytes at its end."""
        return self.stream.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


def block_positions(height, width, size):
    """Return where the coefficients of each block stand in a flattened plane: (blocks, size * size)."""
    places = np.arange(height * width).reshape(height // size, size, width // size, size)
    return places.swapaxes(1, 2).reshape(-1, size * size)


def diagonals(size):
    """Return the band of each coefficient of a flattened square block: its diagonal."""
    return np.add.outer(np.arange(size), np.arange(size)).ravel()


def code_group(coder, flat, positions, bands):
    """Write or read the levels at `positions` (blocks, coefficients); flat is the plane to read from or fill."""
    indices = []
    for band in range(bands.max() + 1):
        width = 0 if coder.reading else np.abs(flat[positions[:, bands == band]]).mean()
        index = int(np.abs(WIDTHS - width).argmin()) if width else 0
        before = indices[-1] if indices else 20
        index = None if coder.reading else max(index, int(width > 0))
        wanted = None if coder.reading else index - before
        indices.append(before + coder.symbol("width", wanted, min(before, 1)))
    widths = WIDTHS[np.array(indices)][bands]
    used = positions[:, widths > 0].ravel()
    if used.size:
        all_widths = np.broadcast_to(widths[widths > 0], (len(positions), int((widths > 0).sum()))).ravel()
        flat[used] = coder.laplace(flat[used], all_widths)


def code_levels(coder, plan, shapes, qp):
    """Write or read the levels of three planes."""
    wanted = plan.get("levels")
    plan["levels"] = []
    for i, (height, width) in enumerate(shapes):
        flat = wanted[i].ravel().copy() if wanted else np.zeros(height * width, np.int32)
        small = block_positions(height, width, 8)
        if i == 0:
            large = plan["sizes"].ravel() == 1
            inside = plan["sizes"].repeat(2, 0).repeat(2, 1).ravel() == 1
            small = small[~inside]
            if large.any():
                code_group(coder, flat, block_positions(height, width, 16)[large], diagonals(16))
        if len(small):
            code_group(coder, flat, small, diagonals(8))
        plan["levels"].append(flat.reshape(height, width))
        end_part(coder, "chroma levels" if i else "luma levels")
