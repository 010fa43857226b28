# ruff: noqa: F821
"""Block motion: one vector for a macroblock or one for each quarter of it, from one or both references."""

import cv2
import numba
import numpy as np

ABOUT = {
    "rate": 70,
    "hypothesis": "follow the motion: search for every block where it came from, and code the vector as a "
    "difference to its neighbours'",
    "needs": {"structure": ["previous", "pyramid"]},
    "choices": {"VECTOR_WEIGHT": [0.5, 0.7, 1.0], "SEARCH_RADIUS": [8, 12]},
}

VECTOR_WEIGHT = 0.7
"""Weight of the bits of vectors and decisions against the sum of absolute differences."""

SEARCH_RADIUS = 12
"""Full search on the quarter-size picture, in its samples, to all sides."""

INTRA_BITS = 20
"""What an intra macroblock costs more than a predicted one, in bits (a guess)."""

VECTOR_BITS = 1 + 2 * np.log2(1 + np.arange(4096))
"""Bits for one component of a vector difference (a guess, close to Exp-Golomb)."""


@numba.njit("int64(uint8[:, ::1], uint8[:, ::1], int64, int64, int64, int64, int64, float64)")
def difference(source, plane, y, x, plane_y, plane_x, size, limit):
    """Return the sum of absolute differences of two square blocks; anything above the limit once that is clear."""
    total = 0
    for i in range(size):
        for j in range(size):
            total += abs(np.int64(source[y + i, x + j]) - np.int64(plane[plane_y + i, plane_x + j]))
        if total > limit:
            return total
    return total


@numba.njit(
    "float64(uint8[:, ::1], uint8[:, :, ::1], int64, int64, int64[::1], int64[::1], int64[::1], float64[::1], float64)"
)
def vector_cost(source, phases, y, x, shape, vector, predicted, bits, limit):
    """Return difference plus bits of one vector; shape is (size, precision, border); infinite if out of reach."""
    size, precision, border = shape
    place_y, place_x = y + vector[0] // precision, x + vector[1] // precision
    reach = border - 4
    if place_y < -reach or place_x < -reach:
        return np.inf
    if place_y + size > source.shape[0] + reach or place_x + size > source.shape[1] + reach:
        return np.inf
    cost = bits[abs(vector[0] - predicted[0])] + bits[abs(vector[1] - predicted[1])]
    phase = (vector[0] % precision) * precision + vector[1] % precision
    return cost + difference(source, phases[phase], y, x, place_y + border, place_x + border, size, limit - cost)


@numba.njit("void(int32[:, :, ::1], int64, int64, int64[::1])")
def predict_vector(field, row, column, predicted):
    """Set `predicted` to the median of the vectors to the left, above, and above to the right."""
    for k in range(2):
        left = field[row, column - 1, k] if column else 0
        above = field[row - 1, column, k] if row else left
        corner = above
        if row and column + 1 < field.shape[1]:
            corner = field[row - 1, column + 1, k]
        predicted[k] = max(min(left, above), min(max(left, above), corner))


@numba.njit(
    "void(uint8[:, ::1], uint8[:, :, ::1], int64[::1], int64, int32[:, :, :, ::1], float64[::1], "
    "int32[:, :, ::1], float64[:, ::1])"
)
def search_field(source, phases, shape, radius, seeds, bits, field, costs):
    """Find a vector for each block: from seeds and neighbours, then downhill in ever smaller steps."""
    size, precision, _ = shape
    predicted, best, trial = np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(2, np.int64)
    for row in range(field.shape[0]):
        for column in range(field.shape[1]):
            y, x = row * size, column * size
            predict_vector(field, row, column, predicted)
            best[:] = 0
            lowest = vector_cost(source, phases, y, x, shape, best, predicted, bits, np.inf)
            for candidate in range(4 + seeds.shape[2] + (2 * radius + 1) ** 2 - 1):
                if candidate == 0:
                    trial[:] = predicted
                elif candidate == 1 and column:
                    trial[:] = field[row, column - 1]
                elif candidate == 2 and row:
                    trial[:] = field[row - 1, column]
                elif candidate == 3 and row and column + 1 < field.shape[1]:
                    trial[:] = field[row - 1, column + 1]
                elif 4 <= candidate < 4 + seeds.shape[2]:
                    trial[:] = seeds[row, column, candidate - 4]
                elif candidate >= 4 + seeds.shape[2]:
                    offset = candidate - 4 - seeds.shape[2]
                    trial[0] = offset // (2 * radius + 1) - radius
                    trial[1] = offset % (2 * radius + 1) - radius
                cost = vector_cost(source, phases, y, x, shape, trial, predicted, bits, lowest)
                if cost < lowest:
                    lowest = cost
                    best[:] = trial
            step = precision
            while step:
                centre_y, centre_x = best
                for direction in range(9):
                    trial[0] = centre_y + (direction // 3 - 1) * step
                    trial[1] = centre_x + (direction % 3 - 1) * step
                    cost = vector_cost(source, phases, y, x, shape, trial, predicted, bits, lowest)
                    if cost < lowest:
                        lowest = cost
                        best[:] = trial
                if best[0] == centre_y and best[1] == centre_x:
                    step //= 2
            field[row, column] = best
            costs[row, column] = lowest


def search(luma, phases, shape, radius, seeds, bits):
    """Return vectors (rows, columns, 2) and costs (rows, columns) of all blocks of a size."""
    rows, columns = luma.shape[0] // shape[0], luma.shape[1] // shape[0]
    field, costs = np.zeros((rows, columns, 2), np.int32), np.zeros((rows, columns))
    search_field(luma, phases, np.array(shape), radius, np.ascontiguousarray(seeds, np.int32), bits, field, costs)
    return field, costs


def search_reference(luma, phases, weight):
    """Return [(vectors, costs) of macroblocks, (vectors, costs) of 8x8 blocks] from one reference."""
    rows, columns = luma.shape[0] // 16, luma.shape[1] // 16
    bits = weight * VECTOR_BITS
    small = cv2.resize(luma, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    around = cv2.resize(phases[0], None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)[None]
    none = np.zeros((rows, columns, 0, 2), np.int32)
    coarse, _ = search(small, around, (4, 1, BORDER // 4), SEARCH_RADIUS, none, bits / 16)
    shape = (16, PRECISION, BORDER)
    whole = search(luma, phases, shape, 0, coarse[:, :, None] * 4 * PRECISION, bits)
    seeds = whole[0].repeat(2, 0).repeat(2, 1)[:, :, None]
    return [whole, search(luma, phases, (8, PRECISION, BORDER), 0, seeds, bits)]


def both_costs(luma, references, fields, vector_costs, weight):
    """Return the costs of the average of both references; the vectors' share is that of the two alone."""
    sides = [fetch(reference, field)[0].astype(np.int16) for reference, field in zip(references, fields, strict=True)]
    total = macroblock_sums(np.abs(luma - ((sides[0] + sides[1] + 1) >> 1))).astype(np.float64)
    for side, costs in zip(sides, vector_costs, strict=True):
        total += costs - macroblock_sums(np.abs(luma - side))
    return total + weight


def find_motion(source, references, qp):
    """Return a plan with direction, split and vectors: the cheapest choice for every macroblock."""
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    weight = VECTOR_WEIGHT * 2 ** ((qp - 12) / 6)
    found = [search_reference(source[0], reference[0], weight) for reference in references]
    costs = [intra_costs(source[0]) + INTRA_BITS * weight]
    fields = np.zeros((2, 2, 2 * rows, 2 * columns, 2), np.int32)  # by split, by reference
    for side, (whole, parts) in enumerate(found):
        fields[0, side], fields[1, side] = whole[0].repeat(2, 0).repeat(2, 1), parts[0]
        part_costs = parts[1].reshape(rows, 2, columns, 2).sum((1, 3)) + 2 * weight
        costs += [whole[1], part_costs]
    for split in (0, 1) if len(found) == 2 else ():
        alone = [costs[1 + split], costs[3 + split]]
        costs.append(both_costs(source[0], references, fields[split], alone, weight))
    choice = np.argmin(costs, 0)
    split = (choice > 0) & (choice % 2 == 0)
    vectors = np.where(split.repeat(2, 0).repeat(2, 1)[..., None], fields[1], fields[0])
    return {"direction": ((choice + 1) // 2).astype(np.int8), "split": split.astype(np.int8), "vectors": vectors}


def code_vector(coder, wanted, field, row, column, span):
    """Write or read one vector; set it for `span` x `span` blocks of 8x8."""
    predicted = np.zeros(2, np.int64)
    predict_vector(field, row, column, predicted)
    for k in (0, 1):
        value = None if wanted is None else int(wanted[row, column, k] - predicted[k])
        predicted[k] += coder.symbol("vector", value, k)
    field[row : row + span, column : column + span] = predicted


def code_partition(coder, plan, wanted, row, column):
    """Write or read direction and split of one macroblock; return it and the side of a part in 8x8 blocks."""
    direction, split = plan["direction"], plan["split"]
    left = direction[row, column - 1] if column else 4
    above = direction[row - 1, column] if row else 4
    value = int(wanted["direction"][row, column]) if wanted else None
    direction[row, column] = side = coder.symbol("direction", value, int(left) * 5 + int(above))
    if side:
        near = (split[row, column - 1] if column else 0) + (split[row - 1, column] if row else 0)
        value = int(wanted["split"][row, column]) if wanted else None
        split[row, column] = coder.symbol("split", value, int(near))
    return side, 1 if split[row, column] else 2


def code_macroblock(coder, plan, wanted, row, column):
    """Write or read direction, split and vectors of one macroblock."""
    side, span = code_partition(coder, plan, wanted, row, column)
    for i in (0, 1):
        given = wanted["vectors"][i] if wanted else None
        for part in range(4 // (span * span)) if side >> i & 1 else ():
            code_vector(coder, given, plan["vectors"][i], 2 * row + part // 2, 2 * column + part % 2, span)


def code_motion(coder, plan, rows, columns, references):
    """Write or read direction, split and vectors of every macroblock."""
    wanted = {name: plan[name] for name in ("direction", "split", "vectors") if name in plan}
    plan["direction"] = np.zeros((rows, columns), np.int8)
    plan["split"] = np.zeros((rows, columns), np.int8)
    plan["vectors"] = np.zeros((2, 2 * rows, 2 * columns, 2), np.int32)
    for row, column in np.ndindex(rows, columns) if references else ():
        code_macroblock(coder, plan, wanted, row, column)
