# ruff: noqa: F821
"""Block motion that can be taken over from a neighbour, decided by Hadamard cost and bits, in coding order."""

import numba
import numpy as np

ABOUT = {
    "rate": 58,
    "extends": "blocks",
    "hypothesis": "let a macroblock take its motion over from a neighbour for the price of an index, and weigh "
    "every decision's bits against the error it leaves after a Hadamard transform: vectors were a third of the bits",
    "needs": {"structure": ["previous", "pyramid"], "interpolation": ["quarter"]},
    "choices": {"VECTOR_WEIGHT": [0.35, 0.5, 0.7], "MERGE_BITS": [0.2, 0.5, 1.0], "INTRA_BITS": [10, 20, 30]},
}

VECTOR_WEIGHT = 0.5
"""Weight of the bits of vectors and decisions against the error after a Hadamard transform."""

MERGE_BITS = 0.5
"""Bits for taking motion over from the first candidate (a guess); each further one costs a bit more."""

INTRA_BITS = 20
"""What an intra macroblock costs more than a predicted one, in bits (a guess)."""


@numba.njit("int64(int8[:, ::1], int32[:, :, :, ::1], int64, int64, int64, int64[::1], int64[:, :, ::1])")
def merge_candidates(direction, vectors, reach, row, column, sides, motion):
    """Fill sides and motion (candidate, reference, y and x) with what may be taken over; return how many there are."""
    count = 0
    height, width = direction.shape[0] * 16, direction.shape[1] * 16
    places = ((0, -1), (-1, 0), (-1, 2), (-1, -1), (0, 0), (1, 1))
    for number in range(6):
        y, x = 2 * row + places[number][0], 2 * column + places[number][1]
        if number < 4:
            if y < 0 or x < 0 or x >= vectors.shape[2] or direction[y // 2, x // 2] == 0:
                continue
            side = direction[y // 2, x // 2]
        else:  # both references, then the first, each along the median
            side = 7 - number if number == 4 else 1
        for i in range(2):
            if number < 4:
                motion[count, i] = vectors[i, y, x]
            else:
                predict_vector(vectors[i], 2 * row, 2 * column, motion[count, i])
            low, high = -4 * (row * 16 + reach), 4 * (height - 16 - row * 16 + reach)
            motion[count, i, 0] = min(max(motion[count, i, 0], low), high)
            low, high = -4 * (column * 16 + reach), 4 * (width - 16 - column * 16 + reach)
            motion[count, i, 1] = min(max(motion[count, i, 1], low), high)
        known = False
        for k in range(count):
            same = sides[k] == side
            for i in range(2):
                if side >> i & 1 and (motion[k, i] != motion[count, i]).any():
                    same = False
            known |= same
        if not known:
            sides[count] = side
            count += 1
    return count


@numba.njit(
    "float64(uint8[:, ::1], uint8[:, :, ::1], uint8[:, :, ::1], int64, int64, int64, int64, int64, int64[:, ::1])"
)
def motion_error(source, first, second, border, y, x, size, side, motion):
    """Return the sum of absolute Hadamard coefficients of what a prediction leaves, 8x8 by 8x8."""
    total = 0
    block = np.empty((8, 8), np.int64)
    phase0, phase1 = (motion[0, 0] & 3) * 4 + (motion[0, 1] & 3), (motion[1, 0] & 3) * 4 + (motion[1, 1] & 3)
    for part in range((size // 8) ** 2):
        top, left = y + part // 2 * 8, x + part % 2 * 8
        y0, x0 = top + border + (motion[0, 0] >> 2), left + border + (motion[0, 1] >> 2)
        y1, x1 = top + border + (motion[1, 0] >> 2), left + border + (motion[1, 1] >> 2)
        for i in range(8):
            for j in range(8):
                if side == 1:
                    guess = np.int64(first[phase0, y0 + i, x0 + j])
                elif side == 2:
                    guess = np.int64(second[phase1, y1 + i, x1 + j])
                else:
                    guess = (np.int64(first[phase0, y0 + i, x0 + j]) + second[phase1, y1 + i, x1 + j] + 1) >> 1
                block[i, j] = source[top + i, left + j] - guess
        for i in range(8):
            for half in (4, 2, 1):
                for j in range(8):
                    if not j & half:
                        a, b = block[i, j], block[i, j + half]
                        block[i, j], block[i, j + half] = a + b, a - b
        for half in (4, 2, 1):
            for i in range(8):
                if not i & half:
                    for j in range(8):
                        a, b = block[i, j], block[i + half, j]
                        block[i, j], block[i + half, j] = a + b, a - b
        for i in range(8):
            for j in range(8):
                total += abs(block[i, j])
    return total / 8


@numba.njit(
    "float64(uint8[:, ::1], uint8[:, :, ::1], uint8[:, :, ::1], int64, int64, int64, int64, int64, "
    "int64[:, ::1], float64[::1], int64[:, ::1])"
)
def refine_motion(source, first, second, border, y, x, size, side, predicted, bits, motion):
    """Move the vectors of a block by up to a quarter sample where that is cheaper; return error plus bits."""
    lowest = np.inf
    for i in range(2):
        if not side >> i & 1:
            continue
        centre_y, centre_x = motion[i]
        best_y, best_x = centre_y, centre_x
        for step in range(9):
            turn = (step + 4) % 9  # the centre first
            motion[i, 0], motion[i, 1] = centre_y + turn // 3 - 1, centre_x + turn % 3 - 1
            cost = motion_error(source, first, second, border, y, x, size, side, motion)
            for k in range(2):
                if side >> k & 1:
                    cost += bits[abs(motion[k, 0] - predicted[k, 0])] + bits[abs(motion[k, 1] - predicted[k, 1])]
            if cost < lowest:
                lowest, best_y, best_x = cost, motion[i, 0], motion[i, 1]
        motion[i, 0], motion[i, 1] = best_y, best_x
    return lowest


@numba.njit(
    "void(uint8[:, ::1], uint8[:, :, ::1], uint8[:, :, ::1], int64, int64, "
    "int32[:, :, :, :, ::1], float64[::1], float64, float64[:, ::1], int8[:, :, ::1], int32[:, :, :, ::1])"
)
def decide_motion(source, first, second, references, border, fields, bits, weight, intra, decided, vectors):
    """Fill decided (direction, split, merged; each by macroblock) and vectors with the cheapest choices."""
    direction, split, merged = decided[0], decided[1], decided[2]
    sides, motion = np.empty(6, np.int64), np.zeros((6, 2, 2), np.int64)
    predicted = np.zeros((2, 2), np.int64)
    chosen, explicit = np.zeros((4, 2, 2), np.int64), np.zeros((4, 2, 2), np.int64)
    for row, column in np.ndindex(direction.shape[0], direction.shape[1]):
        y, x = row * 16, column * 16
        count = merge_candidates(direction, vectors, border - 4, row, column, sides, motion)
        lowest, kind, choice = intra[row, column] + weight * INTRA_BITS, 0, 0
        for k in range(count):
            if sides[k] < 2 or references == 2:
                cost = motion_error(source, first, second, border, y, x, 16, sides[k], motion[k])
                cost += weight * (MERGE_BITS + k)
                if cost < lowest:
                    lowest, kind, choice = cost, 1, k
        for i in range(2):
            predict_vector(vectors[i], 2 * row, 2 * column, predicted[i])
        for option in range(6 if references == 2 else 2):
            side, parts = option // 2 + 1, 4 if option % 2 else 1
            cost = weight * (3.0 + option % 2)
            for part in range(parts):
                top, left = 2 * row + part // 2, 2 * column + part % 2
                chosen[part] = fields[2 if option == 4 else option % 2, :, top, left]
                size = 16 if parts == 1 else 8
                cost += refine_motion(
                    source, first, second, border, top * 8, left * 8, size, side, predicted, bits, chosen[part]
                )
                if cost >= lowest:
                    break
            if cost < lowest:
                lowest, kind, choice = cost, 2, option
                for part in range(4):
                    explicit[part] = chosen[part if parts == 4 else 0]
        merged[row, column] = choice + 1 if kind == 1 else 0
        split[row, column] = choice % 2 if kind == 2 else 0
        direction[row, column] = 0 if kind == 0 else sides[choice] if kind == 1 else choice // 2 + 1
        for part in range(4):
            top, left = 2 * row + part // 2, 2 * column + part % 2
            for i in range(2):
                if kind == 1:
                    vectors[i, top, left] = motion[choice, i]
                elif kind == 2 and direction[row, column] >> i & 1:
                    vectors[i, top, left] = explicit[part, i]
                else:
                    vectors[i, top, left] = predicted[i]


def paired_fields(luma, references, fields, bits):
    """Return vectors of macroblocks (by reference) that are good together: each searched for what the other leaves."""
    fields = fields.copy()
    for side in (1, 0):
        other = fetch(references[1 - side], fields[1 - side])[0].astype(np.int16)
        wanted = np.clip(2 * luma.astype(np.int16) - other, 0, 255).astype(np.uint8)
        seeds = fields[side, ::2, ::2, None]
        found, _ = search(wanted, references[side][0], (16, PRECISION, BORDER), 0, seeds, 2 * bits)
        fields[side] = found.repeat(2, 0).repeat(2, 1)
    return fields


def find_motion(source, references, qp):
    """Return a plan with direction, split, merged and vectors: the cheapest choice for every macroblock."""
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    plan = {"vectors": np.zeros((2, 2 * rows, 2 * columns, 2), np.int32)}
    decided = np.zeros((3, rows, columns), np.int8)
    plan["direction"], plan["split"], plan["merged"] = decided
    if not references:
        return plan
    weight = VECTOR_WEIGHT * 2 ** ((qp - 12) / 6)
    fields = np.zeros((3, 2, 2 * rows, 2 * columns, 2), np.int32)  # whole, in parts, in pairs; by reference
    for side, reference in enumerate(references):
        whole, parts = search_reference(source[0], reference[0], weight)
        fields[0, side], fields[1, side] = whole[0].repeat(2, 0).repeat(2, 1), parts[0]
    if len(references) == 2:
        fields[2] = paired_fields(source[0], references, fields[0], weight * VECTOR_BITS)
    intra = intra_costs(source[0]).astype(np.float64)
    planes = source[0], references[0][0], references[-1][0]
    decide_motion(
        *planes, len(references), BORDER, fields, weight * VECTOR_BITS, weight, intra, decided, plan["vectors"]
    )
    return plan


def spread_class(field, row, column):
    """Return 0 to 3: how much the vectors to the left and above differ, which tells how good their median is."""
    if not row or not column:
        return 3
    difference = int(np.abs(field[row, column - 1] - field[row - 1, column]).sum())
    return 0 if difference == 0 else 1 if difference < 4 else 2 if difference < 16 else 3


def code_vector(coder, wanted, field, row, column, span):
    """Write or read one vector; set it for `span` x `span` blocks of 8x8."""
    predicted = np.zeros(2, np.int64)
    predict_vector(field, row, column, predicted)
    context = 2 * spread_class(field, row, column)
    for k in (0, 1):
        value = None if wanted is None else int(wanted[row, column, k] - predicted[k])
        predicted[k] += coder.symbol("vector", value, context + k)
    field[row : row + span, column : column + span] = predicted


def code_explicit(coder, plan, wanted, row, column):
    """Write or read direction, split and vectors of a macroblock that takes nothing over."""
    side, span = code_partition(coder, plan, wanted, row, column)
    for i in (0, 1):
        given = wanted["vectors"][i] if wanted else None
        for part in range(4 // (span * span)):
            y, x = 2 * row + part // 2, 2 * column + part % 2
            if side >> i & 1:
                code_vector(coder, given, plan["vectors"][i], y, x, span)
            elif part == 0:  # the neighbours' motion goes on through blocks that do not use this reference
                predicted = np.zeros(2, np.int64)
                predict_vector(plan["vectors"][i], y, x, predicted)
                plan["vectors"][i, y : y + 2, x : x + 2] = predicted


def code_macroblock(coder, plan, wanted, row, column):
    """Write or read the motion of one macroblock: the number of a candidate, or 0 and everything."""
    merged = plan["merged"]
    near = (merged[row, column - 1] > 0 if column else 0) + (merged[row - 1, column] > 0 if row else 0)
    value = int(wanted["merged"][row, column]) if wanted else None
    merged[row, column] = number = coder.symbol("merged", value, int(near))
    if not number:
        code_explicit(coder, plan, wanted, row, column)
        return
    sides, motion = np.empty(6, np.int64), np.zeros((6, 2, 2), np.int64)
    merge_candidates(plan["direction"], plan["vectors"], BORDER - 4, row, column, sides, motion)
    plan["direction"][row, column] = sides[number - 1]
    plan["vectors"][:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = motion[number - 1][:, None, None]


def code_motion(coder, plan, rows, columns, references):
    """Write or read the motion of every macroblock."""
    wanted = {name: plan[name] for name in ("direction", "split", "merged", "vectors") if name in plan}
    for name in ("direction", "split", "merged"):
        plan[name] = np.zeros((rows, columns), np.int8)
    plan["vectors"] = np.zeros((2, 2 * rows, 2 * columns, 2), np.int32)
    for row, column in np.ndindex(rows, columns) if references else ():
        code_macroblock(coder, plan, wanted, row, column)
