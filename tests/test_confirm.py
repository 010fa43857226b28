"""Confirmation: what an honest program gave comes again from a fresh nursery; what varies is found and named."""

import hashlib
import re
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from programs import RAW, changed

from labkit.candidate import Candidate, Check, Evaluation, Failure, FailureKind, Stage
from labkit.clip import Clip
from labkit.container import Container
from labkit.errors import JailError
from labkit.evaluate import Keep, measure
from labkit.evaluate.confirm import confirm, frame_hash
from labkit.jail import Level, Limits, Nursery, Wall, choose

LIMITS = Limits(encode_s=0.2, decode_s=0.2, run_s=1.0, load_cpu_s=20.0, memory_mib=256)
WALL = Wall(choose())
QPS = (22, 27, 32, 37)
SEED = 20261122

WHOLE = """
import zlib
import numpy as np

def compress_video(frames, config):
    return zlib.compress(b"".join(plane.tobytes() for frame in frames for plane in frame), 1)

def decompress_video(data, config):
    w, h = config["width"], config["height"]
    unpacked = zlib.decompressobj()  # what follows the packed samples is passed over
    samples = np.frombuffer(unpacked.decompress(data), np.uint8).reshape(config["frame_count"], w * h * 3 // 2).copy()
    return [(a[:w * h].reshape(h, w), a[w * h:w * h * 5 // 4].reshape(h // 2, w // 2),
             a[w * h * 5 // 4:].reshape(h // 2, w // 2)) for a in samples]
"""
HEAD = "import time, random, os\nSOME = object()\n"
FRAME_ENCODER = 'return b"".join(plane.tobytes() for plane in frame)'
FRAME_DECODER = "samples = np.frombuffer(data, np.uint8)\n"
WHOLE_ENCODER = 'return zlib.compress(b"".join(plane.tobytes() for frame in frames for plane in frame), 1)'
WHOLE_DECODER = "    return [(a[:"
READS_LESS = 'samples = np.frombuffer(data, np.uint8)[: config["width"] * config["height"] * 3 // 2].copy()\n'
RAW_AND_MORE = changed(FRAME_DECODER, READS_LESS, RAW)
"""The raw copy, whose decoder passes over what follows the samples."""


def clip(name: str, frames: int, seed: int) -> Clip:
    samples = np.random.default_rng(seed).integers(0, 256, (frames, 32 * 16 * 3 // 2), dtype=np.uint8)
    return Clip(name, samples, 32, 16, Fraction(25))


LONG, SHORT = clip("long", 20, SEED), clip("short", 4, SEED + 1)
CLIPS = (LONG, SHORT)


def encodes(code: str) -> Candidate:
    return Candidate(HEAD + changed(FRAME_ENCODER, code, RAW_AND_MORE))


def decodes(code: str) -> Candidate:
    return Candidate(HEAD + changed(FRAME_DECODER, READS_LESS + "    " + code + "\n", RAW))


def measured(candidate: Candidate, keep: Keep, qps: tuple[int, ...] = QPS) -> Evaluation:
    """Measure past the static check, which refuses clocks and chance: it is not what is tried here."""
    points = []
    with Nursery(candidate, LIMITS, WALL.level) as nursery:
        for one in CLIPS:
            for qp in qps:
                point = measure(nursery, one, qp, keep)
                assert not isinstance(point, Failure), point
                hashes: list[str] = []
                container = Container.parse(keep.path(one.name, qp, ".lkv").read_bytes())
                nursery.decode(container, lambda index, frame, to=hashes: to.append(frame_hash(frame)))
                points.append(replace(point, frame_hashes=point.frame_hashes or tuple(hashes)))
    return Evaluation(candidate.hash, str(WALL), tuple(points))


def confirmed(candidate: Candidate, folder: Path) -> Check:
    keep = Keep(folder)
    return confirm(candidate, CLIPS, measured(candidate, keep), keep, LIMITS, WALL)


# --- what stays the same ----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [RAW, WHOLE], ids=["frame form", "whole-clip form"])
def test_an_honest_program_is_confirmed(source: str, tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    candidate, keep = Candidate(source), Keep(tmp_path)
    evaluation = measured(candidate, keep)
    check = confirm(candidate, CLIPS, evaluation, keep, LIMITS, WALL, progress=lambda *step: steps.append(step))
    assert (check.kind, check.passed, check.failure) == ("confirmation", True, None), check.detail
    assert check.wall_s > 0
    assert check.cpu_s > 0
    # the long clip at its middle QP; the short one, which has fewer samples, at every QP
    assert "5 bitstreams" in check.detail
    assert "long at QP 32, short at QP 22, 27, 32, 37 with the same figures" in check.detail
    assert [done for done, _, _ in steps] == [0, 0, 1, 2, 3, 4, 5]
    assert {total for _, total, _ in steps} == {5}


@pytest.mark.slow
def test_an_odd_number_of_qps_has_a_middle(tmp_path: Path) -> None:
    candidate, keep = Candidate(RAW), Keep(tmp_path)
    check = confirm(candidate, CLIPS, measured(candidate, keep, (20, 30, 40)), keep, LIMITS, WALL)
    assert check.passed
    assert "long at QP 30, short at QP 20, 30, 40" in check.detail


def test_the_hash_of_a_frame_is_blake2b_over_its_planes() -> None:
    y, u, v = np.zeros((2, 4), np.uint8), np.ones((1, 2), np.uint8), np.full((1, 2), 2, np.uint8)
    assert frame_hash((y, u, v)) == hashlib.blake2b(bytes(8) + b"\1\1\2\2", digest_size=8).hexdigest()
    assert len(frame_hash((y, u, v))) == 16


# --- what differs -----------------------------------------------------------------------------------------

SAMPLES = 'b"".join(plane.tobytes() for plane in frame)'


NO_ASLR = Path("/proc/sys/kernel/randomize_va_space").read_text().strip() == "0"
SAME_ADDRESSES = pytest.mark.skipif(NO_ASLR, reason="needs a kernel that gives each program other addresses")


def rare(code: str, *marks: pytest.MarkDecorator) -> object:
    """One way more to vary: left out of the everyday suite, which has its like."""
    return pytest.param(code, marks=[pytest.mark.slow, *marks])


@pytest.mark.parametrize(
    "code",
    [
        f"return {SAMPLES} + os.urandom(4)",
        rare(f"return {SAMPLES} + time.time_ns().to_bytes(8, 'little')"),
        f"return {SAMPLES} + random.randbytes(4)",  # seeded at load: one nursery agrees with itself
        rare(f"return {SAMPLES} + id(SOME).to_bytes(8, 'little')", SAME_ADDRESSES),
        rare(f"return {SAMPLES} + np.random.default_rng().bytes(4)"),
        rare(f"return {SAMPLES} + bytes(list(os.urandom(9))[:4 + os.urandom(1)[0] % 5])"),
    ],
    ids=["urandom", "clock", "random", "address", "generator", "length"],
)
def test_an_encoder_that_varies_is_named_with_its_first_frame(code: str, tmp_path: Path) -> None:
    check = confirmed(encodes(code), tmp_path)
    failure = check.failure
    assert not check.passed
    assert failure is not None
    assert (failure.stage, failure.kind) == (Stage.ENCODE, FailureKind.VARIES)
    assert (failure.clip, failure.qp, failure.frame) == ("long", 32, 0)
    assert "came, expected a payload of" in failure.detail
    # 32 x 16 x 3 / 2 samples are the same; of what follows, a byte or two may be by chance
    assert re.search(r"they differ from byte 7(6[89]|7\d) on", failure.detail)
    assert check.detail == str(failure)


def test_the_first_payload_that_differs_is_named(tmp_path: Path) -> None:
    late = f"return {SAMPLES} + (os.urandom(8) if frame_index in (7, 9) else b'')"
    failure = confirmed(encodes(late), tmp_path).failure
    assert failure is not None
    assert (failure.stage, failure.clip, failure.frame) == (Stage.ENCODE, "long", 7)


def test_one_qp_of_the_smallest_clip_is_enough(tmp_path: Path) -> None:
    rare = f"return {SAMPLES} + (os.urandom(8) if config['qp'] == 37 and config['frame_count'] == 4 else b'')"
    failure = confirmed(encodes(rare), tmp_path).failure
    assert failure is not None
    assert (failure.clip, failure.qp, failure.frame) == ("short", 37, 0)


def test_an_encoder_that_differs_only_sometimes_is_found(tmp_path: Path) -> None:
    # a coin for each frame, thrown by the clock: 36 of them agree with the first run once in 2**36 times
    coin = f"return {SAMPLES} + b'x' * (hash(time.perf_counter_ns() * 0.7310585786300049) >> 7 & 1)"
    failure = confirmed(encodes(coin), tmp_path).failure
    assert failure is not None
    assert (failure.stage, failure.kind) == (Stage.ENCODE, FailureKind.VARIES)
    assert failure.frame is not None


@pytest.mark.parametrize(
    "code",
    [
        rare("samples[6:14] = list(os.urandom(8))"),
        "samples[:8] = list(time.time_ns().to_bytes(8, 'little'))",
        rare("samples[:8] = list(random.randbytes(8))"),
        rare("samples[:8] = list(id(SOME).to_bytes(8, 'little'))", SAME_ADDRESSES),
    ],
    ids=["urandom", "clock", "random", "address"],
)
def test_a_decoder_that_varies_is_named_with_its_first_frame(code: str, tmp_path: Path) -> None:
    check = confirmed(decodes(code), tmp_path)
    failure = check.failure
    assert failure is not None
    assert (failure.stage, failure.kind) == (Stage.DECODE, FailureKind.VARIES)
    assert (failure.clip, failure.qp, failure.frame) == ("long", 32, 0)
    assert "the container that was kept: a frame of hash" in failure.detail
    assert not check.passed


@pytest.mark.slow
def test_a_decoder_that_differs_only_sometimes_is_found(tmp_path: Path) -> None:
    coin = "samples[0] ^= hash(time.perf_counter_ns() * 0.7310585786300049) >> 7 & 1"
    failure = confirmed(decodes(coin), tmp_path).failure
    assert failure is not None
    assert (failure.stage, failure.kind) == (Stage.DECODE, FailureKind.VARIES)


def whole(encoder: str = "", decoder: str = "") -> Candidate:
    source = changed(WHOLE_ENCODER, encoder, WHOLE) if encoder else WHOLE
    source = changed(WHOLE_DECODER, f"    {decoder}\n{WHOLE_DECODER}", source) if decoder else source
    return Candidate(HEAD + source)


def test_a_whole_clip_encoder_that_varies_is_named_with_the_first_frame_that_looks_different(tmp_path: Path) -> None:
    painted = f"frames[-7 % len(frames)][0][0, :8] = list(os.urandom(8))\n    {WHOLE_ENCODER}"
    failure = confirmed(whole(encoder=painted), tmp_path).failure
    assert failure is not None
    assert (failure.stage, failure.clip, failure.qp, failure.frame) == (Stage.ENCODE, "long", 32, 13)


@pytest.mark.slow
def test_a_whole_clip_encoder_may_vary_in_bytes_that_show_in_no_frame(tmp_path: Path) -> None:
    failure = confirmed(whole(encoder=WHOLE_ENCODER + " + random.randbytes(5)"), tmp_path).failure
    assert failure is not None
    assert (failure.stage, failure.kind, failure.frame) == (Stage.ENCODE, FailureKind.VARIES, None)


def test_a_whole_clip_decoder_that_varies_is_named(tmp_path: Path) -> None:
    failure = confirmed(whole(decoder="samples[3, :8] = list(time.time_ns().to_bytes(8, 'little'))"), tmp_path).failure
    assert failure is not None
    assert (failure.stage, failure.clip, failure.qp, failure.frame) == (Stage.DECODE, "long", 32, 3)


ONE_OF_BOTH = """
if os.urandom(1)[0] & 1:
    del compress_video, decompress_video
else:
    del compress_video_frame, decompress_video_frame
"""


@pytest.mark.slow
def test_a_program_whose_form_is_drawn_by_lot_is_found(tmp_path: Path) -> None:
    lot = Candidate(HEAD + RAW + WHOLE + ONE_OF_BOTH)
    keep = Keep(tmp_path)
    evaluation = measured(lot, keep)
    for _ in range(24):  # each nursery draws anew: one in 2**24 times all of them draw the form of the first
        check = confirm(lot, CLIPS, evaluation, keep, LIMITS, WALL)
        if not check.passed:
            break
    assert check.failure is not None
    assert (check.failure.stage, check.failure.kind) == (Stage.LOAD, FailureKind.VARIES)
    assert re.search("defines the (frame|clip) form, expected the (clip|frame) form", check.detail)


# --- what fails outright, and what cannot be confirmed -------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "stage"),
    [
        (changed(FRAME_ENCODER, "raise RuntimeError('not twice')", RAW), Stage.ENCODE),
        (changed(FRAME_DECODER, "raise RuntimeError('not twice')\n", RAW), Stage.DECODE),
        ("raise RuntimeError('not twice')\n" + RAW, Stage.LOAD),
    ],
    ids=["encoder", "decoder", "load"],
)
def test_a_program_that_fails_the_second_time_fails(source: str, stage: Stage, tmp_path: Path) -> None:
    keep, candidate = Keep(tmp_path), Candidate(source)
    evaluation = replace(measured(Candidate(RAW), keep), candidate=candidate.hash)
    check = confirm(candidate, CLIPS, evaluation, keep, LIMITS, WALL)
    assert not check.passed
    assert check.failure is not None
    assert (check.failure.stage, check.failure.kind) == (stage, FailureKind.RAISED)
    assert "not twice" in check.detail


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> tuple[Candidate, Evaluation, Keep]:
    keep = Keep(tmp_path_factory.mktemp("kept"))
    candidate = Candidate(RAW)
    return candidate, measured(candidate, keep), keep


def test_points_without_frame_hashes_do_not_pass_silently(raw: tuple[Candidate, Evaluation, Keep]) -> None:
    candidate, evaluation, keep = raw
    old = replace(evaluation, points=tuple(replace(point, frame_hashes=()) for point in evaluation.points))
    check = confirm(candidate, CLIPS, old, keep, LIMITS, WALL)
    assert (check.passed, check.failure) == (False, None)
    assert check.detail == "long at QP 32: the decoded frames' hashes are not recorded; measure it again"


def test_a_clip_without_points_is_not_confirmed(raw: tuple[Candidate, Evaluation, Keep]) -> None:
    candidate, evaluation, keep = raw
    some = replace(evaluation, points=evaluation.on("short"))
    check = confirm(candidate, CLIPS, some, keep, LIMITS, WALL)
    assert (check.passed, check.failure) == (False, None)
    assert check.detail.startswith("long: not measured at any QP")


def test_a_container_that_is_gone_or_changed_is_told(raw: tuple[Candidate, Evaluation, Keep], tmp_path: Path) -> None:
    candidate, evaluation, keep = raw
    check = confirm(candidate, CLIPS, evaluation, Keep(tmp_path), LIMITS, WALL)
    assert (check.passed, check.failure) == (False, None)
    assert "its container long-qp32.lkv is not there" in check.detail
    for path in keep.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    changed_one = tmp_path / "short-qp27.lkv"
    changed_one.write_bytes(changed_one.read_bytes()[:-1] + b"?")
    check = confirm(candidate, CLIPS, evaluation, Keep(tmp_path), LIMITS, WALL)
    assert (check.passed, check.failure) == (False, None)
    assert "short at QP 27: its container short-qp27.lkv is not what was measured" in check.detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ssim", 0.99),
        pytest.param("bytes", 1, marks=pytest.mark.slow),
        pytest.param("frame_psnr_y_db", (40.0, 40.0), marks=pytest.mark.slow),
    ],
)
def test_a_recorded_figure_that_the_pixels_do_not_give_is_told(
    raw: tuple[Candidate, Evaluation, Keep], name: str, value: object
) -> None:
    candidate, evaluation, keep = raw
    points = tuple(replace(p, **{name: value}) if p.clip == "short" else p for p in evaluation.points)
    check = confirm(candidate, CLIPS, replace(evaluation, points=points), keep, LIMITS, WALL)
    assert (check.passed, check.failure) == (False, None)
    assert f"short at QP 22: {name} is " in check.detail
    assert f"{value} was recorded, from the same bytes and pixels" in check.detail


def test_what_does_not_belong_together_is_refused(raw: tuple[Candidate, Evaluation, Keep]) -> None:
    candidate, evaluation, keep = raw
    with pytest.raises(ValueError, match="the candidate is"):
        confirm(Candidate(WHOLE), CLIPS, evaluation, keep, LIMITS, WALL)
    with pytest.raises(ValueError, match=r"short .* not among the clips given"):
        confirm(candidate, (LONG,), evaluation, keep, LIMITS, WALL)
    failed = Evaluation(candidate.hash, "", failure=Failure(Stage.LOAD, FailureKind.RAISED, "x"))
    with pytest.raises(ValueError, match="cannot be confirmed"):
        confirm(candidate, CLIPS, failed, keep, LIMITS, WALL)


def test_it_runs_behind_the_wall_that_is_given(raw: tuple[Candidate, Evaluation, Keep]) -> None:
    candidate, evaluation, keep = raw
    assert confirm(candidate, CLIPS, evaluation, keep, LIMITS, Wall(Level.NONE)).passed


def test_it_gives_up_when_the_lab_stops(raw: tuple[Candidate, Evaluation, Keep]) -> None:
    candidate, evaluation, keep = raw
    stop = threading.Event()
    stop.set()
    with pytest.raises(JailError):
        confirm(candidate, CLIPS, evaluation, keep, LIMITS, WALL, stop)
