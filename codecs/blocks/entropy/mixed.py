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


@numba.njit(f"void({CODER}, int32[:, ::1], int64, int64, int64[::1], int64, int64, int64, int64[::1])")
def code_block(state, stream, estimates, counts, weights, levels, y, x, scan, size, kind, around, result):
    """Write or read the levels of one block; kind and around (what its neighbours hold) are contexts.

    result: number of levels that are not zero, place after the last one.
    """
    contexts = np.zeros(INPUTS, np.int64)
    near_left, near_above = x >= size, y >= size
    place, filled, before = 0, 0, 0
    ask_end = True
    result[0] = result[1] = 0
    while place < size * size:
        v, u = scan[place] // size, scan[place] % size
        a = abs(levels[y + v, x + u - 1]) if u else 0
        b = abs(levels[y + v - 1, x + u]) if v else 0
        c = abs(levels[y + v - 1, x + u - 1]) if u and v else 0
        d = abs(levels[y + v, x + u - 2]) if u > 1 else 0
        e = abs(levels[y + v - 2, x + u]) if v > 1 else 0
        f = 0
        if near_left:
            f += abs(levels[y + v, x + u - size])
        if near_above:
            f += abs(levels[y + v - size, x + u])
        local = scale_down(2 * a + 2 * b + c + d + e)
        wide = scale_down(f)
        diagonal = min(u + v, 15)
        if ask_end:
            more = 0
            if not state[3]:
                for later in range(place, size * size):
                    if levels[y + scan[later] // size, x + scan[later] % size]:
                        more = 1
                        break
            contexts[0] = kind * 256 + place
            contexts[1] = 4096 + ((kind * 16 + min(filled, 15)) * 16 + diagonal)
            contexts[2] = 8192 + ((kind * 10 + around) * 64 + min(place, 63))
            contexts[3] = 16384 + ((kind * 10 + local) * 4 + min(before, 3)) * 16 + diagonal
            contexts[4] = 4096 + ((kind * 10 + around) * 16 + min(filled, 15)) * 4 + min(before, 3)
            contexts[5] = 32768 + (kind * 10 + wide) * 16 + diagonal
            more = code_bit(state, stream, estimates, counts, weights, contexts, 144 + kind * 8 + min(place, 7), more)
            if not more:
                break
            ask_end = False
        value = levels[y + v, x + u]
        contexts[0] = kind * 256 + place + 12288
        contexts[1] = 20480 + (kind * 10 + local) * 16 + diagonal
        contexts[2] = 24576 + (((kind * 4 + min(a, 3)) * 4 + min(b, 3)) * 4 + min(c, 3)) * 4 + min(diagonal, 3)
        contexts[3] = 28672 + (kind * 10 + wide) * 16 + diagonal
        contexts[4] = 20480 + (kind * 16 + min(filled, 15)) * 64 + min(place, 63)
        contexts[5] = 36864 + ((kind * 10 + around) * 10 + local) * 4 + min(diagonal, 3)
        significant = code_bit(state, stream, estimates, counts, weights, contexts, kind * 16 + local, value != 0)
        if significant:
            magnitude = 1
            while magnitude < 40:
                step = min(magnitude - 1, 7)
                contexts[0] = 1024 * 48 + ((kind * 8 + step) * 16 + diagonal)
                contexts[1] = 1024 * 48 + ((kind * 8 + step) * 10 + local) * 4 + min(diagonal, 3)
                contexts[2] = 1024 * 48 + ((kind * 8 + step) * 10 + wide) * 4 + min(diagonal, 3)
                contexts[3] = 1024 * 48 + ((kind * 8 + step) * 8 + min(a, 7)) * 8 + min(b, 7)
                contexts[4] = 1024 * 48 + ((kind * 8 + step) * 10 + around) * 10 + local
                contexts[5] = 1024 * 48 + (kind * 8 + step) * 16 + min(filled, 15)
                more = code_bit(
                    state,
                    stream,
                    estimates,
                    counts,
                    weights,
                    contexts,
                    216 + kind * 4 + min(step, 3),
                    abs(value) > magnitude,
                )
                if not more:
                    break
                magnitude += 1
            if magnitude == 40:
                for i in range(14):
                    magnitude += code_raw(state, stream, 32768, ((abs(value) - 40) >> i) & 1) << i
            negative = code_raw(state, stream, 32768, value < 0)
            levels[y + v, x + u] = -magnitude if negative else magnitude
            filled += 1
            before = magnitude
            ask_end = True
            result[0], result[1] = filled, place + 1
        else:
            before = 0
        place += 1


@numba.njit(f"void({CODER}, int32[:, ::1], int8[:, ::1], int8[:, ::1], int32[:, ::1], int64, int64[::1], int64[::1])")
def code_plane(state, stream, estimates, counts, weights, levels, direction, sizes, beside, plane, scan8, scan16):
    """Write or read all blocks of one plane; `beside` holds what other planes have there, by 8x8 luma block."""
    unit = 16 if plane == 0 else 8
    cells = unit // 8
    filled = np.zeros((direction.shape[0] * cells + 1, direction.shape[1] * cells + 1), np.int64)
    result = np.zeros(2, np.int64)
    for row in range(direction.shape[0]):
        for column in range(direction.shape[1]):
            if plane == 0 and sizes[row, column] == 2:
                continue
            large = plane == 0 and sizes[row, column] == 1
            kind = (0 if plane == 0 else 1) + (2 if large else 0)
            kind = (
                min(kind, 2) * 3 + min(direction[row, column], 2)
                if direction[row, column] != 2
                else min(kind, 2) * 3 + 1
            )
            for part in range(1 if large or plane else 4):
                y, x = row * unit + part // 2 * 8, column * unit + part % 2 * 8
                near = filled[y // 8, x // 8 + 1] + filled[y // 8 + 1, x // 8]
                if plane:
                    near = near * 2 + min(beside[row, column], 6)
                around = scale_down(near)
                if large:
                    code_block(
                        state, stream, estimates, counts, weights, levels, y, x, scan16, 16, kind, around, result
                    )
                    filled[y // 8 + 1 : y // 8 + 3, x // 8 + 1 : x // 8 + 3] = (result[0] + 1) // 2
                else:
                    code_block(state, stream, estimates, counts, weights, levels, y, x, scan8, 8, kind, around, result)
                    filled[y // 8 + 1, x // 8 + 1] = result[0]
                beside[row, column] += result[0]


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
