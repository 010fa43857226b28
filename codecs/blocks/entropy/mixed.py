# ruff: noqa: F821
"""Binary arithmetic coding of every decision, its probability mixed from several contexts' experience.

Each decision looks at several contexts (the frequency, the levels around it, the neighbouring blocks); each
context has its own estimate, and a small logistic network, trained as it goes, mixes them (the idea of the
PAQ compressors). Whole numbers only, so that encoder and decoder agree on any machine.
"""

import numba
import numpy as np

ABOUT = {
    "rate": 37,
    "hypothesis": "context mixing: estimate each binary decision from several contexts at once (frequency, "
    "levels around, neighbouring blocks) and mix the estimates, instead of one fixed distribution per band",
    "choices": {"LEARNING_RATE": [10, 14, 20], "COUNT_LIMIT": [60, 120, 250]},
}

LEARNING_RATE = 14
"""How fast the mixing weights follow the errors."""

COUNT_LIMIT = 120
"""A context's estimate is an average over about this many decisions."""

CODER = "int64[::1], uint8[::1], int32[:, ::1], uint8[:, ::1], int32[:, ::1]"
"""Types of what the arithmetic coder needs: state, stream, estimates, counts, weights."""

INPUTS = 6
"""Contexts that are mixed for each decision."""

CONTEXTS = 1 << 16
"""Estimates for each of the inputs."""

SETS = 512
"""Sets of mixing weights."""


def squash_table():
    """Return the probabilities (16 bit) of log-odds from -8 to 8 in steps of 1/256."""
    odds = np.arange(-2048, 2048) / 256
    return np.clip(np.rint(65536 / (1 + np.exp(-odds))), 24, 65536 - 24).astype(np.int64)


def stretch_table():
    """Return the log-odds, in 1/256, of probabilities in steps of 1/4096."""
    share = (np.arange(4096) + 0.5) / 4096
    return np.clip(np.rint(256 * np.log(share / (1 - share))), -2047, 2047).astype(np.int64)


SQUASH, STRETCH = squash_table(), stretch_table()
SHARES = np.rint(65536 / (np.arange(256) + 1.6)).astype(np.int64)
"""How far an estimate moves, by the number of decisions it has seen."""


@numba.njit("int64(int64[::1], uint8[::1], int64, int64)")
def code_raw(state, stream, chance, bit):
    """Write a bit, or read and return one; chance is that of a 1, 16 bit. state: low, high, place, reading, value."""
    middle = state[0] + ((state[1] - state[0]) >> 16) * chance + ((((state[1] - state[0]) & 65535) * chance) >> 16)
    if state[3]:
        bit = 1 if state[4] <= middle else 0
    if bit:
        state[1] = middle
    else:
        state[0] = middle + 1
    while (state[0] ^ state[1]) & 0xFF000000 == 0:
        place = state[2]
        if state[3]:
            byte = stream[place + 4] if place + 4 < len(stream) else 0
            state[4] = ((state[4] << 8) & 0xFFFFFFFF) | byte
        else:
            stream[place] = state[1] >> 24
        state[2] = place + 1
        state[0] = (state[0] << 8) & 0xFFFFFFFF
        state[1] = ((state[1] << 8) & 0xFFFFFFFF) | 255
    return bit


@numba.njit(f"int64({CODER}, int64[::1], int64, int64)")
def code_bit(state, stream, estimates, counts, weights, contexts, chosen, bit):
    """Write a bit, or read and return one; mix the estimates of its contexts with the chosen set of weights."""
    total = 0
    for i in range(INPUTS):
        total += weights[chosen, i] * STRETCH[estimates[i, contexts[i]] >> 10]
    total = min(max(total >> 16, -2047), 2047)
    chance = SQUASH[total + 2048]
    bit = code_raw(state, stream, chance, bit)
    error = ((bit << 16) - chance) * LEARNING_RATE
    for i in range(INPUTS):
        place = contexts[i]
        estimate = estimates[i, place]
        weights[chosen, i] += (STRETCH[estimate >> 10] * error + (1 << 19)) >> 20
        share = SHARES[counts[i, place]]
        estimates[i, place] = estimate + (((bit * 4194303 - estimate) * share) >> 16)
        if counts[i, place] < COUNT_LIMIT:
            counts[i, place] += 1
    return bit


@numba.njit(f"int64({CODER}, int64, int64, int64)")
def code_symbol(state, stream, estimates, counts, weights, kind, context, value):
    """Write a small signed number, or read and return one: zero, sign, then one decision for each unit."""
    contexts = np.zeros(INPUTS, np.int64)
    base = 40000 + kind * 1024
    magnitude = abs(value)
    size = 0
    while size < 40:
        step = min(size, 15)
        contexts[0] = base + step
        contexts[1] = base + (context * 16 + step) % 1024
        for i in range(2, INPUTS):
            contexts[i] = contexts[i % 2]
        if not code_bit(state, stream, estimates, counts, weights, contexts, SETS - 16 + kind, magnitude > size):
            break
        size += 1
    if size == 40:
        for i in range(12):
            size += code_raw(state, stream, 32768, ((magnitude - 40) >> i) & 1) << i
    if size == 0:
        return 0
    contexts[:] = base + 1000 + context % 2
    negative = code_bit(state, stream, estimates, counts, weights, contexts, SETS - 16 + kind, value < 0)
    return -size if negative else size


@numba.njit("int64(int64)")
def scale_down(value):
    """Return a coarse logarithm: 0, 1, 2, 3, 4 for 4-5, 5 for 6-8, 6 for 9-14, 7 above ... at most 9."""
    if value < 4:
        return value
    if value < 6:
        return 4
    if value < 9:
        return 5
    if value < 15:
        return 6
    if value < 25:
        return 7
    return 8 if value < 50 else 9


@numba.njit("void(int32[:, ::1], int64, int64, int64, int64, int64, int64[::1])")
def look_around(levels, y, x, v, u, size, seen):
    """Note what is known beside the level at (v, u) of a block: left, above, corner, all of them, other blocks'."""
    left = abs(levels[y + v, x + u - 1]) if u else 0
    above = abs(levels[y + v - 1, x + u]) if v else 0
    corner = abs(levels[y + v - 1, x + u - 1]) if u and v else 0
    farther = abs(levels[y + v, x + u - 2]) if u > 1 else 0
    if v > 1:
        farther += abs(levels[y + v - 2, x + u])
    other = abs(levels[y + v, x + u - size]) if x >= size else 0
    if y >= size:
        other += abs(levels[y + v - size, x + u])
    seen[0], seen[1], seen[2] = left, above, corner
    seen[3], seen[4] = scale_down(2 * left + 2 * above + corner + farther), scale_down(other)
    seen[5] = min(u + v, 15)


@numba.njit("void(int64, int64, int64, int64, int64, int64[::1], int64[::1])")
def end_contexts(kind, around, place, filled, before, seen, contexts):
    """Set the contexts of the decision whether any level follows in the block."""
    local, wide, diagonal = seen[3], seen[4], seen[5]
    contexts[0] = kind * 256 + place
    contexts[1] = 4096 + (kind * 16 + min(filled, 15)) * 16 + diagonal
    contexts[2] = 8192 + (kind * 10 + around) * 64 + min(place, 63)
    contexts[3] = 16384 + ((kind * 10 + local) * 4 + min(before, 3)) * 16 + diagonal
    contexts[4] = 4096 + ((kind * 10 + around) * 16 + min(filled, 15)) * 4 + min(before, 3)
    contexts[5] = 32768 + (kind * 10 + wide) * 16 + diagonal


@numba.njit("void(int64, int64, int64, int64, int64[::1], int64[::1])")
def level_contexts(kind, around, place, filled, seen, contexts):
    """Set the contexts of the decision whether a level is zero."""
    local, wide, diagonal = seen[3], seen[4], seen[5]
    near = (min(seen[0], 3) * 4 + min(seen[1], 3)) * 4 + min(seen[2], 3)
    contexts[0] = 12288 + kind * 256 + place
    contexts[1] = 20480 + (kind * 10 + local) * 16 + diagonal
    contexts[2] = 24576 + (kind * 64 + near) * 4 + min(diagonal, 3)
    contexts[3] = 28672 + (kind * 10 + wide) * 16 + diagonal
    contexts[4] = 20480 + (kind * 16 + min(filled, 15)) * 64 + min(place, 63)
    contexts[5] = 36864 + ((kind * 10 + around) * 10 + local) * 4 + min(diagonal, 3)


@numba.njit("void(int64, int64, int64, int64, int64[::1], int64[::1])")
def size_contexts(kind, around, step, filled, seen, contexts):
    """Set the contexts of the decision whether a level is larger still."""
    local, wide, diagonal = seen[3], seen[4], seen[5]
    base, row = 49152, kind * 8 + step
    contexts[0] = base + row * 16 + diagonal
    contexts[1] = base + (row * 10 + local) * 4 + min(diagonal, 3)
    contexts[2] = base + (row * 10 + wide) * 4 + min(diagonal, 3)
    contexts[3] = base + (row * 8 + min(seen[0], 7)) * 8 + min(seen[1], 7)
    contexts[4] = base + (row * 10 + around) * 10 + local
    contexts[5] = base + row * 16 + min(filled, 15)


@numba.njit(f"int64({CODER}, int64, int64, int64, int64[::1], int64[::1], int64)")
def code_level(state, stream, estimates, counts, weights, kind, around, filled, seen, contexts, value):
    """Write or read a level that is not zero."""
    magnitude = 1
    while magnitude < 40:
        step = min(magnitude - 1, 7)
        size_contexts(kind, around, step, filled, seen, contexts)
        chosen = 216 + kind * 4 + min(step, 3)
        if not code_bit(state, stream, estimates, counts, weights, contexts, chosen, abs(value) > magnitude):
            break
        magnitude += 1
    if magnitude == 40:
        for i in range(14):
            magnitude += code_raw(state, stream, 32768, ((abs(value) - 40) >> i) & 1) << i
    return -magnitude if code_raw(state, stream, 32768, value < 0) else magnitude


@numba.njit("int64(int32[:, ::1], int64, int64, int64[::1], int64, int64)")
def any_left(levels, y, x, scan, size, place):
    """Return 1 if a level from `place` on is not zero."""
    for later in range(place, size * size):
        if levels[y + scan[later] // size, x + scan[later] % size]:
            return 1
    return 0


@numba.njit(f"int64({CODER}, int32[:, ::1], int64, int64, int64[::1], int64, int64, int64)")
def code_block(state, stream, estimates, counts, weights, levels, y, x, scan, size, kind, around):
    """Write or read the levels of one block; return how many are not zero.

    kind, around: what block it is and how much its neighbours hold; contexts.
    """
    contexts, seen = np.zeros(INPUTS, np.int64), np.zeros(6, np.int64)
    filled, before, ask_end = 0, 0, True
    for place in range(size * size):
        v, u = scan[place] // size, scan[place] % size
        look_around(levels, y, x, v, u, size, seen)
        if ask_end:
            more = 0 if state[3] else any_left(levels, y, x, scan, size, place)
            end_contexts(kind, around, place, filled, before, seen, contexts)
            chosen = 144 + kind * 8 + min(place, 7)
            if not code_bit(state, stream, estimates, counts, weights, contexts, chosen, more):
                break
        value = levels[y + v, x + u]
        level_contexts(kind, around, place, filled, seen, contexts)
        ask_end = code_bit(state, stream, estimates, counts, weights, contexts, kind * 16 + seen[3], value != 0) == 1
        before = 0
        if ask_end:
            value = code_level(state, stream, estimates, counts, weights, kind, around, filled, seen, contexts, value)
            levels[y + v, x + u] = value
            filled, before = filled + 1, abs(value)
    return filled


@numba.njit(f"void({CODER}, int32[:, ::1], int8[:, ::1], int8[:, ::1], int32[:, ::1], int64, int64[::1], int64[::1])")
def code_plane(state, stream, estimates, counts, weights, levels, direction, sizes, beside, plane, scan8, scan16):
    """Write or read all blocks of one plane; `beside` holds what other planes have there, by 8x8 luma block."""
    unit = 16 if plane == 0 else 8
    cells = unit // 8
    filled = np.zeros((direction.shape[0] * cells + 1, direction.shape[1] * cells + 1), np.int64)
    for row in range(direction.shape[0]):
        for column in range(direction.shape[1]):
            if plane == 0 and sizes[row, column] == 2:
                continue
            large = plane == 0 and sizes[row, column] == 1
            predicted_from = (direction[row, column] + 1) // 2  # 0: intra, 1: one reference, 2: both
            kind = (2 if large else 1 if plane else 0) * 3 + predicted_from
            for part in range(1 if large or plane else 4):
                y, x = row * unit + part // 2 * 8, column * unit + part % 2 * 8
                near = filled[y // 8, x // 8 + 1] + filled[y // 8 + 1, x // 8]
                if plane:
                    near = near * 2 + min(beside[row, column], 6)
                size, scan = (16, scan16) if large else (8, scan8)
                found = code_block(
                    state, stream, estimates, counts, weights, levels, y, x, scan, size, kind, scale_down(near)
                )
                if large:
                    filled[y // 8 + 1 : y // 8 + 3, x // 8 + 1 : x // 8 + 3] = (found + 1) // 2
                else:
                    filled[y // 8 + 1, x // 8 + 1] = found
                beside[row, column] += found


class Coder:
    """Writes symbols (no data given) or reads them back, in the same order."""

    def __init__(self, data=None):
        self.reading = data is not None
        self.memory = {}
        self.stream = np.frombuffer(data, np.uint8).copy() if self.reading else np.zeros(1 << 16, np.uint8)
        first = int.from_bytes(data[:4].ljust(4, b"\0"), "big") if self.reading else 0
        self.state = np.array([0, 0xFFFFFFFF, 0, self.reading, first], np.int64)
        self.estimates = np.full((INPUTS, CONTEXTS), 1 << 21, np.int32)
        self.counts = np.zeros((INPUTS, CONTEXTS), np.uint8)
        self.weights = np.full((SETS, INPUTS), 65536 * 3 // 10, np.int32)
        self.kinds = {}

    def model(self):
        """Return what the arithmetic coder needs, with room for what is to come."""
        if not self.reading and self.state[2] + (1 << 15) > len(self.stream):
            self.stream = np.concatenate([self.stream, np.zeros_like(self.stream)])
        return self.state, self.stream, self.estimates, self.counts, self.weights

    def symbol(self, kind, value, context):
        """Write `value`, or read and return one (then value is None); each kind and context learns as it goes."""
        number = self.kinds.setdefault(kind, len(self.kinds))
        return int(code_symbol(*self.model(), number, context, 0 if value is None else value))

    def place(self):
        """Return how many bits have been written, with the fraction that the interval low to high stands for."""
        low, high, written = map(int, self.state[:3])
        return 8 * written + 32 - float(np.log2(high - low + 1))

    def bits(self, places):
        """Return how many bits have been written up to each place: they are that."""
        return places

    def room(self, samples):
        """Make sure that the levels of a plane of so many samples fit, whatever they are."""
        while not self.reading and self.state[2] + 16 * samples > len(self.stream):
            self.stream = np.concatenate([self.stream, np.zeros_like(self.stream)])

    def finish(self):
        """Return the bitstream, without the zero bytes at its end."""
        tail = int(self.state[0] + 0xFFFFFF) & 0xFF000000  # one byte settles the interval
        last = tail.to_bytes(5, "big")[-4:] if tail <= self.state[1] else int(self.state[1]).to_bytes(4, "big")
        return (self.stream[: self.state[2]].tobytes() + last).rstrip(b"\0")


def zigzag(size):
    """Return the positions of a flattened square block in zigzag order."""
    places = [divmod(i, size) for i in range(size * size)]
    return np.array(sorted(range(size * size), key=lambda i: (sum(places[i]), places[i][sum(places[i]) % 2 == 0])))


SCAN8, SCAN16 = zigzag(8), zigzag(16)


def code_levels(coder, plan, shapes, qp):
    """Write or read the levels of three planes."""
    wanted = plan.get("levels")
    plan["levels"] = []
    beside = np.zeros(plan["direction"].shape, np.int32)
    for i, shape in enumerate(shapes):
        levels = np.ascontiguousarray(wanted[i], np.int32) if wanted else np.zeros(shape, np.int32)
        coder.room(levels.size)
        code_plane(*coder.model(), levels, plan["direction"], plan["sizes"], beside, i, SCAN8, SCAN16)
        plan["levels"].append(levels)
        end_part(coder, "chroma levels" if i else "luma levels")
