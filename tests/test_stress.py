"""Robustness: what codes an ordinary clip and dies of an odd one is caught, and the clip is named."""

import threading
from fractions import Fraction

import numpy as np
import pytest
from programs import CODECS, INTRA, RAW, changed

from labkit.candidate import Candidate, FailureKind, Stage
from labkit.clip import Clip
from labkit.errors import JailError
from labkit.evaluate.stress import robust, stress_clips
from labkit.footage import synthetic_clip
from labkit.jail import Limits, Wall, choose
from labkit.propose.shelf import SLOTS, START, Change, Recipe, Shelf

LIMITS = Limits(encode_s=1.0, decode_s=0.5, run_s=2.0, load_cpu_s=120.0, memory_mib=512)
WALL = Wall(choose())
CLIP = synthetic_clip("photo_pan", 160, 96, 4)
QPS = (22, 27, 32, 37)
NAMES = ["2 frames", "1 frame", "odd size", "black", "noise", "scene cut"]
SHELF = Shelf(CODECS / "blocks")
BEST = {slot: min(SHELF.blocks[slot].values(), key=lambda block: block.rate).name for slot in SLOTS}
RECIPES = {"best": Recipe(BEST)} | {
    f"{slot} {name}": SHELF.apply(Recipe(START), [Change(slot, START[slot], name, 0.0, "")])
    for slot in SLOTS
    for name in SHELF.blocks[slot]
    if name not in (START[slot], BEST[slot])
}
"""All the best blocks at once, and each of the others in a program of the weakest."""
PLAIN = {"raw copy": RAW, "intra DCT": INTRA, "weakest blocks": SHELF.assemble(Recipe(START))}

EVEN = "np.bincount(y.ravel(), minlength=256).min()"
"""Above 0 where every value is there, as in white noise."""
ENCODER = 'return b"".join(plane.tobytes() for plane in frame)'
DECODER = "samples = np.frombuffer(data, np.uint8)\n"


def encodes(code: str) -> str:
    return changed(ENCODER, f"y, u, v = frame; {code}\n    {ENCODER}", RAW)


# --- the clips --------------------------------------------------------------------------------------------


def test_the_clips_are_small_and_each_asks_for_something_else() -> None:
    clips = {clip.name: clip for clip in stress_clips(CLIP)}
    assert list(clips) == NAMES
    assert {name: len(clip) for name, clip in clips.items()} == {
        "2 frames": 2, "1 frame": 1, "odd size": 3, "black": 4, "noise": 3, "scene cut": 8,
    }  # fmt: skip
    assert max(max(clip.width, clip.height) for clip in clips.values()) <= 128
    assert (clips["odd size"].width, clips["odd size"].height) == (118, 70)
    assert all(side % 4 for side in (118, 70))
    assert clips["odd size"].notes == ("cropped 119x71 to 118x70",)


def test_the_short_clips_show_the_middle_of_the_clip() -> None:
    clips = {clip.name: clip for clip in stress_clips(CLIP)}
    y, u, v = CLIP.frame(1)
    cut_y, cut_u, cut_v = clips["2 frames"].frame(1)
    assert np.array_equal(cut_y, y[16:80, 32:128])
    assert np.array_equal(cut_u, u[8:40, 16:64])
    assert np.array_equal(cut_v, v[8:40, 16:64])
    assert np.array_equal(clips["1 frame"].data, clips["2 frames"].data[:1])
    odd_y, odd_u, _ = clips["odd size"].frame(0)
    assert np.array_equal(odd_y, CLIP.frame(0)[0][12:82, 20:138])
    assert np.array_equal(odd_u, CLIP.frame(0)[1][6:41, 10:69])


def test_black_has_no_light_noise_all_values_and_the_cut_is_a_cut() -> None:
    clips = {clip.name: clip for clip in stress_clips(CLIP)}
    black, noise, cut = clips["black"], clips["noise"], clips["scene cut"]
    assert [(int(y.min()), int(y.max()), int(u.max())) for y, u, _ in map(black.frame, range(4))] == [
        (16, 16, 128), (16, 16, 128), (0, 0, 128), (0, 0, 128),
    ]  # fmt: skip
    assert np.bincount(noise.data.ravel(), minlength=256).min() > 0
    assert np.array_equal(noise.data, stress_clips(CLIP)[4].data)  # seeded: the same for everybody
    steps = [float(np.abs(np.diff(cut.data[i : i + 2, : 96 * 64].astype(float), axis=0)).mean()) for i in range(7)]
    assert max(steps) == steps[3]
    assert steps[3] > 2 * sorted(steps)[-2]


@pytest.mark.parametrize(("width", "height"), [(2, 2), (4, 8), (6, 2), (34, 18), (118, 70), (120, 72)])
def test_clips_of_any_size_can_be_cut(width: int, height: int) -> None:
    data = np.zeros((1, width * height * 3 // 2), np.uint8)
    clips = {clip.name: clip for clip in stress_clips(Clip("small", data, width, height, Fraction(25)))}
    odd = clips["odd size"]
    assert odd.width % 4 == odd.height % 4 == 2
    assert odd.width <= width
    assert odd.height <= height
    assert (clips["1 frame"].width, clips["1 frame"].height) == (min(width, 96), min(height, 64))


# --- programs that stand it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLAIN)
def test_what_the_lab_starts_from_is_robust(name: str) -> None:
    steps: list[tuple[int, int, str]] = []
    check = robust(Candidate(PLAIN[name]), CLIP, QPS, LIMITS, WALL, progress=lambda *step: steps.append(step))
    assert (check.kind, check.passed, check.failure) == ("robustness", True, None), check.detail
    assert check.cpu_s > 0
    assert [what for _, _, what in steps[1:-1]] == [f"stress clip: {name}" for name in NAMES]
    assert all(name in check.detail for name in NAMES)
    assert check.detail.startswith("6 stress clips coded at QP 32: 2 frames ")


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_what_the_lab_assembles_is_robust(recipe: Recipe) -> None:
    check = robust(Candidate(SHELF.assemble(recipe)), CLIP, QPS, LIMITS, WALL)
    assert check.passed, check.detail


# --- programs that die of it --------------------------------------------------------------------------------


def dies(name: str, code: str, clip: str, words: str, kind: FailureKind = FailureKind.RAISED) -> object:
    return pytest.param(encodes(code), clip, Stage.ENCODE, kind, words, id=name)


DEATHS = [
    dies("one frame", "1 // (config['frame_count'] - 1)", "1 frame", "ZeroDivision"),
    dies("odd chroma", "u.reshape(u.shape[0], -1, 2)", "odd size", "reshape"),
    dies("no light", "1 // int(y.max())", "black", "ZeroDivision"),
    dies("too large", f"\n    if {EVEN}: return bytes(10**6)", "noise", "1,000,000 bytes came", FailureKind.TOO_LARGE),
]
MORE = [
    dies("two frames", "1 // (config['frame_count'] - 2)", "2 frames", "ZeroDivision"),
    dies("odd rows", "y.reshape(-1, 4, config['width'])", "odd size", "reshape"),
    dies("contrast", "1 // int(y.max() - y.min())", "black", "ZeroDivision"),
    dies("noise", f"{EVEN} and b'' + 1", "noise", "TypeError"),
    pytest.param(changed(DECODER, DECODER + "    assert config['frame_count'] < 8\n", RAW), "scene cut", Stage.DECODE,
                 FailureKind.RAISED, "AssertionError", id="long"),
    pytest.param(changed("u.reshape(half).copy()", "u.reshape(half[0] // 2 * 2, -1).copy()", RAW), "odd size",
                 Stage.DECODE, FailureKind.RAISED, "reshape", id="odd decoder"),
    pytest.param("raise RuntimeError('not here')\n" + RAW, "", Stage.LOAD, FailureKind.RAISED, "not here", id="load"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "clip", "stage", "kind", "words"), DEATHS)
def test_a_program_that_dies_of_one_clip_is_caught_and_the_clip_is_named(
    source: str, clip: str, stage: Stage, kind: FailureKind, words: str
) -> None:
    check = robust(Candidate(source), CLIP, QPS, LIMITS, WALL)
    assert not check.passed
    assert check.failure is not None
    assert (check.failure.clip, check.failure.stage, check.failure.kind) == (clip, stage, kind), check.detail
    assert words in check.failure.detail
    assert check.detail == str(check.failure)
    assert clip in check.detail


BETWEEN = {
    "larger": ("data + bytes(5000)", "QP 24 is coded worse than both its neighbours (2 frames)"),
    "lost": ("None", "(encode, 2 frames, QP 24"),
}


@pytest.mark.parametrize(("elsewhere", "words"), BETWEEN.values(), ids=BETWEEN)
def test_a_program_that_knows_only_the_qps_of_the_campaign_is_caught(elsewhere: str, words: str) -> None:
    source = changed("return data", f"return data if config['qp'] in {QPS} else {elsewhere}")
    check = robust(Candidate(source), CLIP, QPS, LIMITS, WALL)
    assert not check.passed
    assert words in check.detail


def test_where_no_qp_lies_between_none_is_tried() -> None:
    only = changed("return data", "return data if config['qp'] in (30, 31, 32, 33) else None")
    check = robust(Candidate(only), CLIP, (30, 31, 32, 33), LIMITS, WALL)
    assert check.passed, check.detail


@pytest.mark.slow
@pytest.mark.parametrize(("source", "clip", "stage", "kind", "words"), MORE)
def test_and_of_any_other(source: str, clip: str, stage: Stage, kind: FailureKind, words: str) -> None:
    test_a_program_that_dies_of_one_clip_is_caught_and_the_clip_is_named(source, clip, stage, kind, words)


@pytest.mark.slow
def test_a_program_that_only_takes_long_is_ended() -> None:
    spins = encodes("\n    while y.max() == 0:\n        pass")
    check = robust(Candidate(spins), CLIP, QPS, Limits(encode_s=0.1, run_s=0.3), WALL)
    assert check.failure is not None
    assert (check.failure.clip, check.failure.kind) == ("black", FailureKind.TIMED_OUT)


def test_it_gives_up_when_the_lab_stops() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(JailError):
        robust(Candidate(RAW), CLIP, QPS, LIMITS, WALL, stop)
