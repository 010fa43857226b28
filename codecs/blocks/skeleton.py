# ruff: noqa: F821
"""The whole-clip codec that every assembly shares: it calls the functions of the chosen blocks."""

import numpy as np

ABOUT = {"rate": 100, "hypothesis": "", "choices": {}}

MACROBLOCK = 16
"""Luma samples along one side of the unit that is predicted; planes are padded to full units."""


def pad_plane(plane, unit):
    """Return the plane with its edges repeated up to full units."""
    height, width = plane.shape
    return np.pad(plane, ((0, -height % unit), (0, -width % unit)), mode="edge")


def padded_source(frame):
    """Return the planes y, u, v of a frame as uint8, padded to full macroblocks."""
    y, u, v = frame
    return [pad_plane(y, MACROBLOCK), pad_plane(u, MACROBLOCK // 2), pad_plane(v, MACROBLOCK // 2)]


def cropped(planes, config):
    """Return the shown part of padded planes: a frame as the contract wants it."""
    height, width = config["height"], config["width"]
    sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    return tuple(np.ascontiguousarray(plane[:h, :w]) for plane, (h, w) in zip(planes, sizes, strict=True))


def macroblock_sums(plane):
    """Return the sum of a luma plane over every macroblock."""
    height, width = plane.shape
    return plane.reshape(height // 16, 16, width // 16, 16).sum((1, 3), dtype=np.int64)


def intra_samples(direction):
    """Return where luma and chroma samples belong to intra macroblocks: three bool planes."""
    intra = direction == 0
    luma = intra.repeat(MACROBLOCK, 0).repeat(MACROBLOCK, 1)
    chroma = intra.repeat(MACROBLOCK // 2, 0).repeat(MACROBLOCK // 2, 1)
    return [luma, chroma, chroma]


def predict(plan, references):
    """Return the prediction of a picture, three planes of int16; intra macroblocks are mid grey."""
    sides = []
    for i, reference in enumerate(references):
        used = ((plan["direction"] >> i) & 1).repeat(2, 0).repeat(2, 1)[..., None]
        sides.append(fetch(reference, plan["vectors"][i] * used))
    planes = []
    for i, intra in enumerate(intra_samples(plan["direction"])):
        unit = MACROBLOCK if i == 0 else MACROBLOCK // 2
        if not references:
            planes.append(np.full(intra.shape, 128, np.int16))
            continue
        side = plan["direction"].repeat(unit, 0).repeat(unit, 1)
        first, second = sides[0][i].astype(np.int16), sides[-1][i].astype(np.int16)
        planes.append(np.select([side == 1, side == 2, side == 3], [first, second, (first + second + 1) >> 1], 128))
    return planes


def plan_picture(source, references, qp):
    """Decide everything about one picture (encoder only).

    Returns:
        dict: direction, split (macroblocks), vectors (8x8 blocks), sizes (macroblocks), modes (8x8 blocks),
        levels (three integer planes: each transform's coefficients stand where its samples stand).
    """
    plan = find_motion(source, references, qp)
    prediction = predict(plan, references)
    residual = [s.astype(np.int16) - p for s, p in zip(source, prediction, strict=True)]
    plan["sizes"] = choose_sizes(residual, qp)
    coefficients = [forward(r, plan["sizes"], i > 0) for i, r in enumerate(residual)]
    plan["levels"] = quantise(coefficients, plan, qp)
    plan_intra(plan, source, references, qp)
    return plan


def rebuild_inter(plan, references, qp):
    """Return the planes that a plan stands for, intra macroblocks as if they were predicted by mid grey."""
    prediction = predict(plan, references)
    planes = []
    for i, levels in enumerate(plan["levels"]):
        residual = inverse(levels, plan["sizes"], i > 0, qp)
        planes.append(np.clip(prediction[i] + residual, 0, 255).astype(np.uint8))
    return planes


def rebuild_picture(plan, references, qp):
    """Return the planes that a plan stands for; encoder and decoder both call this."""
    planes = rebuild_inter(plan, references, qp)
    rebuild_intra(plan, planes, qp)
    return planes


def end_part(coder, name):
    """Note in the encoder that what was written since the last call is this part of the bitstream."""
    if not coder.reading:
        coder.memory.setdefault("ends", []).append((name, coder.place()))


def report_parts(coder, report):
    """Fill the encoder's report, where one is asked for: the bytes of each part that took any, over all pictures."""
    if report is None:
        return
    names, places = zip(*coder.memory["ends"], strict=True)
    sizes = np.diff(coder.bits(places), prepend=0) / 8
    for name in dict.fromkeys(names):
        size = float(sizes[np.array(names) == name].sum())
        if size > 0:
            report[name] = size


def code_plan(coder, plan, shapes, references, qp):
    """Write a plan, or read one (plan is then {}); the order of symbols is the bitstream's syntax."""
    rows, columns = shapes[0][0] // MACROBLOCK, shapes[0][1] // MACROBLOCK
    code_motion(coder, plan, rows, columns, references)
    end_part(coder, "motion")
    code_sizes(coder, plan, rows, columns)
    end_part(coder, "transform sizes")
    code_modes(coder, plan, rows, columns)
    end_part(coder, "intra modes")
    code_levels(coder, plan, shapes, qp)  # ends its parts itself: luma levels, chroma levels
    return plan


def code_picture(coder, source, shapes, references, qp):
    """Code one picture and return its planes; `source` is None in the decoder."""
    plan = plan_picture(source, references, qp) if source is not None else {}
    plan = code_plan(coder, plan, shapes, references, qp)
    planes = rebuild_picture(plan, references, qp)
    planes = restore(coder, smooth_edges(planes, plan, qp), plan, source, qp)
    end_part(coder, "restoration filter")
    return planes


def code_clip(coder, frames, config):
    """Code all pictures in coding order; return their planes by index. `frames` is None in the decoder."""
    unit = MACROBLOCK
    height, width = -(-config["height"] // unit) * unit, -(-config["width"] // unit) * unit
    shapes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    order = coding_order(config["frame_count"])
    last_use = {index: step for step, (_, needed, _) in enumerate(order) for index in needed}
    shown, kept = {}, {}
    for step, (index, needed, qp_offset) in enumerate(order):
        source = padded_source(frames[index]) if frames is not None else None
        qp = min(max(config["qp"] + qp_offset, 0), 51)
        shown[index] = code_picture(coder, source, shapes, [kept[i] for i in needed], qp)
        if index in last_use:
            kept[index] = make_reference(shown[index])
        kept = {i: reference for i, reference in kept.items() if last_use[i] > step}
    return shown


def encode_clip(frames, config):
    """Return the bitstream and the frames that a decoder will show."""
    coder = Coder()
    shown = code_clip(coder, frames, config)
    data = coder.finish()
    report_parts(coder, config.get("report"))
    return data, [cropped(shown[i], config) for i in range(len(frames))]


def compress_video(frames, config):
    """Return the bitstream of a whole clip (the codec contract)."""
    return encode_clip(frames, config)[0]


def decompress_video(data, config):
    """Return the frames of a bitstream (the codec contract)."""
    shown = code_clip(Coder(data), None, config)
    return [cropped(shown[i], config) for i in range(config["frame_count"])]
