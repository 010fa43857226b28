"""Deblocking as in HEVC: block edges are smoothed where the signal on both sides is smooth."""

import numpy as np

ABOUT = {
    "rate": 97,
    "hypothesis": "smooth the edges between blocks inside the loop, as HEVC does: they are not in the source, and "
    "every picture predicted from this one would inherit them",
    "choices": {"BETA_OFFSET": [-4, 0, 4], "LIMIT_OFFSET": [-4, 0, 4]},
}

BETA_OFFSET = 0
"""Added to the QP that decides how smooth the signal has to be."""

LIMIT_OFFSET = 0
"""Added to the QP that limits the change of a sample."""

BETAS = np.array([0] * 16 + list(range(6, 19)) + list(range(20, 66, 2)), np.int32)
LIMITS = np.array(
    [0] * 18 + [1] * 9 + [2] * 4 + [3] * 4 + [4] * 3 + [5, 5, 6, 6, 7, 8, 9, 10, 11, 13, 14, 16, 18, 20, 22, 24],
    np.int32,
)
"""Thresholds by QP. Source: ITU-T H.265, table 8-12 of clause 8.7.2."""


def edge_strengths(plan):
    """Return the strength at the left edge of every 8x8 luma block: 2 beside intra, 1 at a difference, 0 for none."""
    height, width = plan["levels"][0].shape
    filled = (plan["levels"][0] != 0).reshape(height // 8, 8, width // 8, 8).any((1, 3))
    large = plan["sizes"].repeat(2, 0).repeat(2, 1) == 1
    whole = filled.reshape(height // 16, 2, width // 16, 2).any((1, 3)).repeat(2, 0).repeat(2, 1)
    filled = np.where(large, whole, filled)
    direction = plan["direction"].repeat(2, 0).repeat(2, 1)
    used = [(direction >> i & 1)[..., None] * plan["vectors"][i] for i in (0, 1)]
    strengths = np.zeros((height // 8, width // 8), np.int32)
    moved = direction[:, 1:] != direction[:, :-1]
    for vectors in used:
        moved |= (np.abs(vectors[:, 1:] - vectors[:, :-1]) >= 4).any(2)
    inner = large[:, 1:] & (np.arange(1, width // 8) % 2 == 1)
    at_residual = (filled[:, 1:] | filled[:, :-1]) & ~inner
    beside_intra = ((direction[:, 1:] == 0) | (direction[:, :-1] == 0)) & ~inner
    strengths[:, 1:] = np.where(beside_intra, 2, (moved | at_residual).astype(np.int32))
    return strengths


def turned(plan):
    """Return a plan with rows and columns exchanged, as far as edge strengths need it."""
    return {
        "levels": [plan["levels"][0].T],
        "sizes": plan["sizes"].T,
        "direction": plan["direction"].T,
        "vectors": plan["vectors"].swapaxes(1, 2),
    }


def smooth_luma(plane, strengths, qp):
    """Smooth the vertical edges of a luma plane (int32) in place; decisions hold for four lines at a time."""
    columns = np.arange(8, plane.shape[1], 8)
    lines = plane.reshape(plane.shape[0] // 4, 4, plane.shape[1])
    p = [lines[:, :, columns - 1 - i] for i in range(4)]
    q = [lines[:, :, columns + i] for i in range(4)]
    strength = strengths.repeat(2, 0)[:, 1:]
    beta = int(BETAS[min(max(qp + BETA_OFFSET, 0), 51)])
    limit = LIMITS[np.clip(qp + LIMIT_OFFSET + 2 * (strength - 1), 0, 53)]
    bend_p, bend_q = np.abs(p[2] - 2 * p[1] + p[0]), np.abs(q[2] - 2 * q[1] + q[0])
    ends_p, ends_q = bend_p[:, 0] + bend_p[:, 3], bend_q[:, 0] + bend_q[:, 3]
    active = (strength > 0) & (ends_p + ends_q < beta) & (limit > 0)
    flat = 2 * (bend_p + bend_q)[:, [0, 3]] < beta >> 2
    flat &= (np.abs(p[3] - p[0]) + np.abs(q[3] - q[0]))[:, [0, 3]] < beta >> 3
    flat &= 2 * np.abs(p[0] - q[0])[:, [0, 3]] < (5 * limit + 1)[:, None]
    strong = (flat.all(1) & active)[:, None]
    near = (beta + (beta >> 1)) >> 3
    limit = limit[:, None]
    delta = (9 * (q[0] - p[0]) - 3 * (q[1] - p[1]) + 8) >> 4
    weak = active[:, None] & ~strong & (np.abs(delta) < 10 * limit)
    delta = np.clip(delta, -limit, limit)
    half = limit >> 1
    delta_p = np.clip((((p[2] + p[0] + 1) >> 1) - p[1] + delta) >> 1, -half, half) * (ends_p < near)[:, None]
    delta_q = np.clip((((q[2] + q[0] + 1) >> 1) - q[1] - delta) >> 1, -half, half) * (ends_q < near)[:, None]
    for side, other, change, inner in ((p, q, delta, delta_p), (q, p, -delta, delta_q)):
        sum3 = side[1] + side[0] + other[0]
        smooth = (
            (side[2] + 2 * sum3 + other[1] + 4) >> 3,
            (side[2] + sum3 + 2) >> 2,
            (2 * side[3] + 3 * side[2] + sum3 + 4) >> 3,
        )
        soft = (side[0] + change, side[1] + inner, side[2])
        for i in range(3):
            bounded = np.clip(smooth[i], side[i] - 2 * limit, side[i] + 2 * limit)
            place = columns - 1 - i if side is p else columns + i
            lines[:, :, place] = np.where(strong, bounded, np.where(weak, soft[i], side[i]))
    np.clip(plane, 0, 255, out=plane)


def smooth_chroma(plane, strengths, qp):
    """Smooth the vertical edges of a chroma plane (int32) in place: between macroblocks, beside intra ones."""
    columns = np.arange(8, plane.shape[1], 8)
    strength = strengths[:, 2::2].repeat(4, 0)
    limit = LIMITS[np.clip(qp + LIMIT_OFFSET + 2 * (strength - 1), 0, 53)] * (strength > 1)
    p0, p1, q0, q1 = (plane[:, columns + i] for i in (-1, -2, 0, 1))
    delta = np.clip(((((q0 - p0) << 2) + p1 - q1 + 4) >> 3), -limit, limit)
    plane[:, columns - 1] = np.clip(p0 + delta, 0, 255)
    plane[:, columns] = np.clip(q0 - delta, 0, 255)


def smooth_edges(planes, plan, qp):
    """Return the planes with smoothed block edges: first the vertical ones, then the horizontal ones."""
    planes = [plane.astype(np.int32) for plane in planes]
    for part in (plan, turned(plan)):
        strengths = edge_strengths(part)
        smooth_luma(planes[0], strengths, qp)
        smooth_chroma(planes[1], strengths, qp)
        smooth_chroma(planes[2], strengths, qp)
        planes = [np.ascontiguousarray(plane.T) for plane in planes]
    return [plane.astype(np.uint8) for plane in planes]
