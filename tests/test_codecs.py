"""Starting programs and assemblies keep the codec contract on any even size and any content."""

import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from labkit.propose.shelf import SLOTS, START, Recipe, Shelf

CODECS = Path(__file__).resolve().parents[1] / "codecs"
SHELF = Shelf(CODECS / "blocks")
BEST = {slot: min(SHELF.blocks[slot].values(), key=lambda block: block.rate).name for slot in SLOTS}
MIDDLE = START | {"structure": "pyramid", "quantisation": "dead_zone", "transform": "dct16_8", "entropy": "bands"}
MIDDLE |= {"deblocking": "edges", "restoration": "wiener"}

EVERYDAY = {
    "raw_copy": (CODECS / "raw_copy.py").read_text(),
    "intra_dct": (CODECS / "intra_dct.py").read_text(),
    "start": SHELF.assemble(Recipe(START)),
    "middle": SHELF.assemble(Recipe(MIDDLE)),
}
COMPILED = {
    "best": SHELF.assemble(Recipe(BEST)),
    "motion": SHELF.assemble(Recipe(START | {"structure": "previous", "motion": "blocks"})),
}
PROGRAMS = [*EVERYDAY, *(pytest.param(name, marks=pytest.mark.slow) for name in COMPILED)]
SEED = 20261121
PARTS = {"motion", "transform sizes", "intra modes", "luma levels", "chroma levels", "restoration filter"}
END_BYTES = 8
"""What settles an arithmetic coder's last interval, and zero bytes that are not written, belong to no part."""


def load(source):
    """Return the module that a source defines; each call gives one that shares nothing with another."""
    module = types.ModuleType("candidate")
    exec(compile(source, "candidate.py", "exec"), module.__dict__)
    return module


@pytest.fixture(scope="module")
def pair(request):
    """Two instances of one program: an encoder and a decoder that share nothing."""
    source = (EVERYDAY | COMPILED)[request.param]
    return load(source), load(source)


def picture(width, height, shift, seed=SEED):
    """Return a smooth random texture, moved by `shift` samples, as planes y, u, v."""
    rng = np.random.default_rng(seed)
    wide = cv2.resize(rng.integers(0, 256, (12, 16), np.uint8), (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    move = np.float32([[1, 0, -shift], [0, 1, -shift / 2]])
    y = cv2.warpAffine(wide, move, (width, height), borderMode=cv2.BORDER_REFLECT)
    half = cv2.resize(y, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return y, half, np.ascontiguousarray(255 - half)


def still(value, width, height):
    half = (height // 2, width // 2)
    return np.full((height, width), value, np.uint8), np.full(half, value, np.uint8), np.full(half, value, np.uint8)


def noise(width, height, seed):
    rng = np.random.default_rng(seed)
    half = (height // 2, width // 2)
    return tuple(rng.integers(0, 256, shape, np.uint8) for shape in ((height, width), half, half))


def grainy(frame, seed):
    """Return a frame with a little noise, so that there is something to lose at every QP."""
    grain = noise(frame[0].shape[1], frame[0].shape[0], seed)
    return tuple(cv2.addWeighted(p, 0.94, g, 0.06, 0) for p, g in zip(frame, grain, strict=True))


CLIPS = {
    "one frame": [picture(64, 48, 0)],
    "two frames": [picture(64, 48, 3 * t) for t in range(2)],
    "smallest": [picture(16, 16, t) for t in range(3)],
    "odd blocks": [picture(50, 38, 2 * t) for t in range(5)],
    "black": [still(0, 32, 32)] * 3,
    "white": [still(255, 32, 32)] * 3,
    "noise": [noise(34, 18, SEED + t) for t in range(4)],
    "fast": [picture(96, 64, 37 * t) for t in range(6)],
    "cut": [picture(64, 48, t, SEED + t // 3) for t in range(6)],
}


def settings(frames, qp):
    height, width = frames[0][0].shape
    return {"qp": qp, "width": width, "height": height, "fps": 25.0, "frame_count": len(frames)}


def payloads_of(encoder, frames, qp, **asked):
    """Return the payloads of a clip: one, or one a frame; `asked` is what the encoder is told besides."""
    copies = [tuple(plane.copy() for plane in frame) for frame in frames]
    config = settings(frames, qp) | asked
    if hasattr(encoder, "compress_video"):
        payloads = [encoder.compress_video(copies, config)]
    else:
        payloads = [encoder.compress_video_frame(f, i, config) for i, f in enumerate(copies)]
    assert all(type(payload) is bytes for payload in payloads)
    return payloads


def coded(pair, frames, qp):
    """Return the payload sizes' sum and the decoded frames; encoder and decoder share nothing."""
    encoder, decoder = pair
    payloads = payloads_of(encoder, frames, qp)
    if hasattr(encoder, "compress_video"):
        decoded = decoder.decompress_video(payloads[0], settings(frames, qp))
    else:
        decoded = [decoder.decompress_video_frame(p, i, settings(frames, qp)) for i, p in enumerate(payloads)]
    return sum(map(len, payloads)), decoded


def psnr_db(frames, decoded):
    pairs = [(a, b) for frame, shown in zip(frames, decoded, strict=True) for a, b in zip(frame, shown, strict=True)]
    error = sum(cv2.norm(a, b, cv2.NORM_L2SQR) for a, b in pairs) / sum(a.size for a, _ in pairs)
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def same(frames, others):
    return all(np.array_equal(a, b) for f, g in zip(frames, others, strict=True) for a, b in zip(f, g, strict=True))


@pytest.mark.parametrize("pair", PROGRAMS, indirect=True)
def test_what_comes_back_has_the_right_shapes(pair):
    for name, frames in CLIPS.items():
        for qp in (12, 32, 51):
            _, decoded = coded(pair, frames, qp)
            assert len(decoded) == len(frames), name
            for frame, shown in zip(frames, decoded, strict=True):
                assert [p.shape for p in shown] == [p.shape for p in frame], name
                assert all(p.dtype == np.uint8 and p.flags.c_contiguous for p in shown), name


@pytest.mark.parametrize("pair", ["start", "middle", pytest.param("best", marks=pytest.mark.slow)], indirect=True)
def test_decoder_rebuilds_what_the_encoder_saw(pair):
    encoder, decoder = pair
    for frames in CLIPS.values():
        for qp in (17, 37):
            data, seen = encoder.encode_clip(frames, settings(frames, qp))
            assert same(seen, decoder.decompress_video(data, settings(frames, qp)))


@pytest.mark.parametrize("pair", PROGRAMS[1:], indirect=True)
def test_rate_and_quality_fall_as_the_qp_rises(pair):
    frames = [grainy(frame, SEED + t) for t, frame in enumerate(CLIPS["fast"])]
    results = [coded(pair, frames, qp) for qp in (22, 27, 32, 37)]
    sizes, quality = [r[0] for r in results], [psnr_db(frames, r[1]) for r in results]
    assert sizes == sorted(sizes, reverse=True)
    assert quality == sorted(quality, reverse=True)
    assert quality[0] > 36


@pytest.mark.parametrize("pair", PROGRAMS, indirect=True)
def test_the_same_frames_give_the_same_bytes(pair):
    encoder, other = pair
    frames = CLIPS["odd blocks"]
    if hasattr(encoder, "compress_video"):
        first = encoder.compress_video(frames, settings(frames, 30))
        encoder.compress_video(CLIPS["cut"], settings(CLIPS["cut"], 25))  # leaves no trace
        assert first == encoder.compress_video(frames, settings(frames, 30))
        assert first == other.compress_video(frames, settings(frames, 30))
    else:
        first = encoder.compress_video_frame(frames[1], 1, settings(frames, 30))
        assert first == other.compress_video_frame(frames[1], 1, settings(frames, 30))


# --- where the bits go ------------------------------------------------------------------------------------------


def told_by(pair, frames, qp):
    """Return the encoder's report on a clip, and what the clip's payloads weigh in bytes."""
    report = {}
    payloads = payloads_of(pair[0], frames, qp, report=report)
    assert payloads == payloads_of(pair[1], frames, qp), "a report leaves the bitstream as it is"
    return report, sum(map(len, payloads))


@pytest.mark.parametrize("pair", PROGRAMS[1:], indirect=True)
def test_the_parts_of_a_report_add_up_to_the_bitstream(pair):
    for name, frames in CLIPS.items():
        for qp in (12, 37):
            report, size = told_by(pair, frames, qp)
            assert set(report) <= PARTS, name
            assert min(report.values()) > 0, name
            assert sum(report.values()) == pytest.approx(size, abs=END_BYTES), name


@pytest.mark.parametrize("pair", PROGRAMS[1:], indirect=True)
def test_a_part_weighs_what_it_holds(pair):
    """Where there is nothing but noise in one plane, that plane takes nearly all."""
    flat, rough = still(128, 64, 48), noise(64, 48, SEED)
    for part, frame in (("luma levels", (rough[0], *flat[1:])), ("chroma levels", (flat[0], *rough[1:]))):
        report, size = told_by(pair, [frame], 22)
        assert report[part] > 0.9 * size
    assert "motion" not in report, "one picture has none to refer to"


@pytest.mark.parametrize("pair", ["middle", pytest.param("best", marks=pytest.mark.slow)], indirect=True)
def test_side_information_weighs_more_where_levels_are_few(pair):
    coarse, fine = (told_by(pair, CLIPS["fast"], qp) for qp in (42, 12))
    assert {"motion", "transform sizes"} <= set(coarse[0])
    share_coarse, share_fine = (report["motion"] / size for report, size in (coarse, fine))
    assert share_coarse > 2 * share_fine


# --- starting programs ------------------------------------------------------------------------------------------


def test_raw_copy_loses_nothing_and_saves_nothing():
    frames = CLIPS["noise"]
    program = load(EVERYDAY["raw_copy"])
    size, decoded = coded((program, program), frames, 32)
    assert same(frames, decoded)
    assert size == 4 * 34 * 18 * 3 // 2


def test_a_flat_picture_costs_intra_dct_next_to_nothing():
    program = load(EVERYDAY["intra_dct"])
    size, decoded = coded((program, program), CLIPS["black"], 32)
    assert size < 3 * 60
    assert psnr_db(CLIPS["black"], decoded) > 40
