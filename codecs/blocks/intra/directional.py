# ruff: noqa: F821
"""Intra blocks are predicted from the samples around them: planar, mean, or along one of 33 directions."""

import numba
import numpy as np

ABOUT = {
    "rate": 91,
    "hypothesis": "predict intra blocks from their neighbours' edges along 33 directions as HEVC does, in 16x16 "
    "or 8x8: the first picture is a quarter of a short clip's bits",
    "needs": {"transform": ["dct16_8"]},
    "choices": {"EDGE_BIT_WEIGHT": [0.06, 0.09, 0.12]},
}

EDGE_BIT_WEIGHT = 0.09
"""What a bit is worth in squared steps."""

PLANAR, MEAN, VERTICAL = 0, 1, 26

HALF_ANGLES = [32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26]
ANGLES = np.array([0, 0, *HALF_ANGLES, -32, *HALF_ANGLES[::-1]], np.int64)
"""Displacement in 1/32 sample per row, by mode. Source: ITU-T H.265, table 8-5."""

PIXELS, NUMBERS, MAP, MATRIX = "uint8[:, ::1]", "int32[:, ::1]", "int8[:, ::1]", "float64[:, ::1]"
"""Types of the arguments below."""


@numba.njit(f"void({PIXELS}, int64, int64, int64, int64, int64, int64[::1])")
def gather_edge(plane, y, x, size, right, below, edge):
    """Fill the edge: left samples from the bottom up, the corner (at 2 * size), the samples above.

    right, below: whether the samples above to the right and to the left below are there already.
    """
    corner = 2 * size
    if x:
        for k in range(2 * size):
            edge[corner - 1 - k] = plane[y + (k if below else min(k, size - 1)), x - 1]
    if y:
        for k in range(2 * size):
            edge[corner + 1 + k] = plane[y - 1, x + (k if right else min(k, size - 1))]
    if x and y:
        edge[corner] = plane[y - 1, x - 1]
    elif x:
        edge[corner:] = edge[corner - 1]
    elif y:
        edge[: corner + 1] = edge[corner + 1]
    else:
        edge[:] = 128


@numba.njit("void(int64[::1], int64, int64, int64[::1], int64[:, ::1])")
def predict_edge(edge, size, mode, smooth, out):
    """Fill out[:size, :size] with the prediction of one mode; `smooth` is the edge, filtered."""
    corner = 2 * size
    if mode == 1:
        total = size
        for k in range(size):
            total += edge[corner + 1 + k] + edge[corner - 1 - k]
        out[:size, :size] = total // (2 * size)
        return
    distance = min(abs(mode - 26), abs(mode - 10))
    e = smooth if mode == 0 or distance > (7 if size == 8 else 1) else edge
    if mode == 0:
        for i in range(size):
            for j in range(size):
                across = (size - 1 - j) * e[corner - 1 - i] + (j + 1) * e[corner + 1 + size]
                down = (size - 1 - i) * e[corner + 1 + j] + (i + 1) * e[corner - 1 - size]
                out[i, j] = (across + down + size) // (2 * size)
        return
    angle, sign = ANGLES[mode], 1 if mode >= 18 else -1
    for i in range(size):
        whole, part = ((i + 1) * angle) >> 5, ((i + 1) * angle) & 31
        for j in range(size):
            first = second = 0
            for k in range(2):
                place = j + whole + 1 + k
                if place < 0:  # the line meets the other edge
                    value = e[corner - sign * ((-place * 32 * 256 // -angle + 128) >> 8)]
                else:
                    value = e[corner + sign * place] if place <= 2 * size else 0
                if k:
                    second = value
                else:
                    first = value
            value = ((32 - part) * first + part * second + 16) >> 5
            if sign > 0:
                out[i, j] = value
            else:
                out[j, i] = value


@numba.njit("void(int64[::1], int64, int64[::1])")
def smooth_edge(edge, size, smooth):
    """Fill `smooth` with the edge after the filter 1 2 1."""
    last = 4 * size
    smooth[0], smooth[last] = edge[0], edge[last]
    for k in range(1, last):
        smooth[k] = (edge[k - 1] + 2 * edge[k] + edge[k + 1] + 2) >> 2


@numba.njit(f"float64({PIXELS}, int64, int64, int64, int64[:, ::1], int64[::1])")
def hadamard_cost(source, y, x, size, prediction, line):
    """Return the sum of absolute Hadamard coefficients of the error, 8x8 by 8x8, on the scale of samples."""
    total = 0
    block = np.empty((8, 8), np.int64)
    for part in range(1 if size == 8 else 4):
        top, left = part // 2 * 8, part % 2 * 8
        for i in range(8):
            for j in range(8):
                block[i, j] = np.int64(source[y + top + i, x + left + j]) - prediction[top + i, left + j]
        for turn in range(2):
            for i in range(8):
                half = 4
                while half:
                    for j in range(8):
                        if not j & half:
                            a, b = (block[i, j], block[i, j + half]) if turn else (block[j, i], block[j + half, i])
                            if turn:
                                block[i, j], block[i, j + half] = a + b, a - b
                            else:
                                block[j, i], block[j + half, i] = a + b, a - b
                    half >>= 1
        for i in range(8):
            for j in range(8):
                total += abs(block[i, j])
    return total / 8


@numba.njit(f"void({MATRIX}, {MATRIX}, {MATRIX}, int64, boolean)")
def transform_block(block, work, matrix, size, backwards):
    """Transform block[:size, :size] in place: matrix @ block @ matrix.T, or the transposed matrices backwards."""
    for i in range(size):
        for j in range(size):
            total = 0.0
            for k in range(size):
                total += (matrix[k, i] if backwards else matrix[i, k]) * block[k, j]
            work[i, j] = total
    for i in range(size):
        for j in range(size):
            total = 0.0
            for k in range(size):
                total += work[i, k] * (matrix[k, j] if backwards else matrix[j, k])
            block[i, j] = total


@numba.njit(f"void({PIXELS}, {NUMBERS}, int64, int64, int64, int64[:, ::1], {MATRIX}, int64, float64[:, :, ::1])")
def rebuild_block(plane, levels, y, x, size, prediction, matrix, scale, work):
    """Write prediction plus residual to the plane; whole numbers in float64, so exact."""
    block = work[0]
    for i in range(size):
        for j in range(size):
            block[i, j] = levels[y + i, x + j] * scale
    transform_block(block, work[1], matrix, size, True)
    for i in range(size):
        for j in range(size):
            value = prediction[i, j] + np.int64(np.floor((block[i, j] + 8388608.0) / 16777216.0))
            plane[y + i, x + j] = min(max(value, 0), 255)


@numba.njit(f"float64({MATRIX}, {NUMBERS}, int64, int64, int64, int64, int64, float64)")
def decide_level(block, levels, y, x, i, j, size, step):
    """Choose one level with its bits (guessed from the coefficients around it) in mind; return those bits."""
    around = 0.0
    for k in range(max(i - 1, 0), min(i + 2, size)):
        for m in range(max(j - 1, 0), min(j + 2, size)):
            around += min(abs(block[k, m]) / step, 8.0)
    magnitude = abs(block[i, j]) / step
    expected = (around - min(magnitude, 8.0)) / 8 + 0.03
    first = 1.5 + np.log2(1 + 1 / expected)
    further = 0.5 + np.log2(1 + 1 / expected) / 2
    level = np.floor(magnitude)
    if magnitude - level > 0.5 + EDGE_BIT_WEIGHT / 2 * (further if level else first):
        level += 1
    if level == 1 and 2 * magnitude - 1 < EDGE_BIT_WEIGHT * first:
        level = 0.0
    levels[y + i, x + j] = level if block[i, j] > 0 else -level
    return first + (level - 1) * further if level else 0.0


@numba.njit(
    f"float64({PIXELS}, {PIXELS}, {NUMBERS}, int64, int64, int64, int64[:, ::1], {MATRIX}, int64, float64, "
    "float64[:, :, ::1])"
)
def code_intra_block(source, plane, levels, y, x, size, prediction, matrix, scale, weight, work):
    """Choose the levels of one block, rebuild it, and return its squared error plus the weighted bits (a guess)."""
    block, bits = work[0], 0.0
    for i in range(size):
        for j in range(size):
            block[i, j] = np.int64(source[y + i, x + j]) - prediction[i, j]
    transform_block(block, work[1], matrix, size, False)
    for i in range(size):
        for j in range(size):
            bits += decide_level(block, levels, y, x, i, j, size, scale * 65536.0)
    rebuild_block(plane, levels, y, x, size, prediction, matrix, scale, work)
    error = 0
    for i in range(size):
        for j in range(size):
            delta = np.int64(source[y + i, x + j]) - np.int64(plane[y + i, x + j])
            error += delta * delta
    return error + weight * bits


@numba.njit("int64(int64, int64, int64, int64, int64)")
def edge_flags(y, x, size, unit, width):
    """Return whether samples above to the right (1) and below to the left (2) of a block are there already."""
    down, across = y % unit, x % unit
    if size == unit:
        return int(y > 0 and x + unit < width)
    if down:
        return int(across == 0)
    return int(y > 0 and x + size < width) + 2 * int(across == 0 and x > 0)


@numba.njit(f"void({PIXELS}, int64, int64, int64, int64, int64[::1], int64[::1])")
def prepare_edge(plane, y, x, size, unit, edge, smooth):
    """Fill the edge of a block, plain and smoothed."""
    flags = edge_flags(y, x, size, unit, plane.shape[1])
    gather_edge(plane, y, x, size, flags & 1, flags >> 1, edge[: 4 * size + 1])
    smooth_edge(edge, size, smooth)


@numba.njit(
    f"float64({PIXELS}, {PIXELS}, {NUMBERS}, {MAP}, int64, int64, int64, {MATRIX}, int64, float64, float64[:, :, ::1])"
)
def search_block(source, plane, levels, modes, y, x, size, matrix, scale, weight, work):
    """Find the mode of one luma block, code it, set the mode, and return the cost."""
    edge, smooth = np.empty(65, np.int64), np.empty(65, np.int64)
    prediction, line = np.empty((16, 16), np.int64), np.empty(8, np.int64)
    prepare_edge(plane, y, x, size, 16, edge, smooth)
    left = modes[y // 8, x // 8 - 1] if x else 1
    above = modes[y // 8 - 1, x // 8] if y else 1
    best, lowest = 0, np.inf
    for mode in range(35):
        predict_edge(edge, size, mode, smooth, prediction)
        mode_bits = 1.5 if mode in (left, above) else 3.0 if mode < 2 else 6.0
        cost = hadamard_cost(source, y, x, size, prediction, line) + np.sqrt(weight) * mode_bits
        if cost < lowest:
            best, lowest = mode, cost
    modes[y // 8 : (y + size) // 8, x // 8 : (x + size) // 8] = best
    predict_edge(edge, size, best, smooth, prediction)
    mode_bits = 1.5 if best in (left, above) else 3.0 if best < 2 else 6.0
    cost = code_intra_block(source, plane, levels, y, x, size, prediction, matrix, scale, weight, work)
    return cost + weight * mode_bits


@numba.njit(f"void({PIXELS}, {PIXELS}, {NUMBERS}, {MAP}, {MAP}, {MAP}, {MATRIX}, {MATRIX}, int64, float64)")
def search_luma(source, plane, levels, modes, direction, sizes, small, large, scale, weight):
    """Code all intra macroblocks of the luma plane, as one block or as four."""
    work = np.empty((2, 16, 16))
    for row, column in np.ndindex(direction.shape[0], direction.shape[1]):
        if direction[row, column]:
            continue
        y, x = row * 16, column * 16
        whole = search_block(source, plane, levels, modes, y, x, 16, large, scale, weight, work)
        mode = modes[2 * row, 2 * column]
        kept, kept_levels = plane[y : y + 16, x : x + 16].copy(), levels[y : y + 16, x : x + 16].copy()
        parts = weight
        for part in range(4):
            top, left = y + part // 2 * 8, x + part % 2 * 8
            parts += search_block(source, plane, levels, modes, top, left, 8, small, scale, weight, work)
        sizes[row, column] = whole < parts
        if whole < parts:
            plane[y : y + 16, x : x + 16], levels[y : y + 16, x : x + 16] = kept, kept_levels
            modes[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = mode


@numba.njit(f"void({PIXELS}, {PIXELS}, {NUMBERS}, {MAP}, {MAP}, {MATRIX}, int64, boolean)")
def code_chroma(source, plane, levels, modes, direction, matrix, scale, search):
    """Code (or only rebuild) all intra blocks of a chroma plane, with the mode of the luma block."""
    work, prediction = np.empty((2, 16, 16)), np.empty((16, 16), np.int64)
    edge, smooth = np.empty(65, np.int64), np.empty(65, np.int64)
    for row, column in np.ndindex(direction.shape[0], direction.shape[1]):
        if direction[row, column]:
            continue
        y, x = row * 8, column * 8
        prepare_edge(plane, y, x, 8, 8, edge, smooth)
        predict_edge(edge, 8, modes[2 * row, 2 * column], smooth, prediction)
        if search:
            code_intra_block(source, plane, levels, y, x, 8, prediction, matrix, scale, 0.0, work)
        else:
            rebuild_block(plane, levels, y, x, 8, prediction, matrix, scale, work)


@numba.njit(f"void({PIXELS}, {NUMBERS}, {MAP}, {MAP}, {MAP}, {MATRIX}, {MATRIX}, int64)")
def rebuild_luma(plane, levels, modes, direction, sizes, small, large, scale):
    """Rebuild all intra macroblocks of the luma plane in coding order."""
    work, prediction = np.empty((2, 16, 16)), np.empty((16, 16), np.int64)
    edge, smooth = np.empty(65, np.int64), np.empty(65, np.int64)
    for row, column in np.ndindex(direction.shape[0], direction.shape[1]):
        if direction[row, column]:
            continue
        whole = sizes[row, column]
        for part in range(1 if whole else 4):
            y, x, size = row * 16 + part // 2 * 8, column * 16 + part % 2 * 8, 16 if whole else 8
            prepare_edge(plane, y, x, size, 16, edge, smooth)
            predict_edge(edge, size, modes[y // 8, x // 8], smooth, prediction)
            rebuild_block(plane, levels, y, x, size, prediction, large if whole else small, scale, work)


def intra_costs(luma):
    """Return a guess at the error of the best intra prediction of each macroblock, summed."""
    samples = luma.astype(np.int16)
    mean = ((macroblock_sums(luma) + 128) >> 8).repeat(16, 0).repeat(16, 1)
    above = np.vstack([samples[:1], samples])[:-1:16].repeat(16, 0)
    left = np.hstack([samples[:, :1], samples])[:, :-1:16].repeat(16, 1)
    return np.min([macroblock_sums(np.abs(samples - guess)) for guess in (mean, above, left)], 0)


def plan_intra(plan, source, references, qp):
    """Choose modes, sizes and levels of the intra macroblocks."""
    rows, columns = plan["direction"].shape
    plan["modes"] = np.full((2 * rows, 2 * columns), MEAN, np.int8)
    if plan["direction"].all():
        return
    planes = rebuild_inter(plan, references, qp)
    source = [np.ascontiguousarray(plane) for plane in source]
    scale, weight = level_scale(qp), 0.57 * 2 ** ((qp - 12) / 3)
    levels, direction, modes = plan["levels"], plan["direction"], plan["modes"]
    search_luma(source[0], planes[0], levels[0], modes, direction, plan["sizes"], DCTS[8], DCTS[16], scale, weight)
    for i in (1, 2):
        code_chroma(source[i], planes[i], levels[i], modes, direction, DCTS[8], scale, True)


def likely_modes(modes, row, column):
    """Return the three modes that the blocks to the left and above suggest."""
    left = int(modes[row, column - 1]) if column else MEAN
    above = int(modes[row - 1, column]) if row else MEAN
    if left != above:
        return [left, above, next(m for m in (PLANAR, MEAN, VERTICAL) if m not in (left, above))]
    if left < 2:
        return [PLANAR, MEAN, VERTICAL]
    return [left, 2 + (left + 29) % 32, 2 + (left - 1) % 32]


def code_mode(coder, wanted, modes, row, column):
    """Write or read one mode: which of the likely ones, or which of the others in five bits."""
    likely = likely_modes(modes, row, column)
    others = [mode for mode in range(35) if mode not in likely]
    rank = None if wanted is None else likely.index(wanted) if wanted in likely else 3
    rank = coder.symbol("mode rank", rank, int(likely[0] == likely[1] or likely[1] - likely[0] < 2))
    if rank < 3:
        return likely[rank]
    node = 1
    for i in (4, 3, 2, 1, 0):
        bit = None if wanted is None else others.index(wanted) >> i & 1
        node = 2 * node + coder.symbol("mode bit", bit, node)
    return others[node - 32]


def code_modes(coder, plan, rows, columns):
    """Write or read the modes of all intra blocks."""
    wanted = plan.get("modes")
    modes = plan["modes"] = np.full((2 * rows, 2 * columns), MEAN, np.int8)
    for row, column in np.argwhere(plan["direction"] == 0):
        span = 2 if plan["sizes"][row, column] else 1
        for part in range(4 // (span * span)):
            y, x = 2 * row + part // 2, 2 * column + part % 2
            value = None if wanted is None else int(wanted[y, x])
            modes[y : y + span, x : x + span] = code_mode(coder, value, modes, y, x)


def rebuild_intra(plan, planes, qp):
    """Fill the intra macroblocks of the planes."""
    if plan["direction"].all():
        return
    levels, modes, direction, scale = plan["levels"], plan["modes"], plan["direction"], level_scale(qp)
    rebuild_luma(planes[0], levels[0], modes, direction, plan["sizes"], DCTS[8], DCTS[16], scale)
    for i in (1, 2):
        code_chroma(planes[i], planes[i], levels[i], modes, direction, DCTS[8], scale, False)
