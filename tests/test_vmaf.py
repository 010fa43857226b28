"""VMAF: known answers, the order of better and worse, frames that stay in step, and what refuses."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
import psutil
import pytest

from labkit import anchors
from labkit.clip import Clip, Frame
from labkit.errors import VmafError
from labkit.footage.synthetic import SYNTHETIC, synthetic_clip
from labkit.footage.y4m import write_y4m
from labkit.vmaf import MIN_SIDE, MISSING, MODEL, Vmaf, find, measure

FFMPEG = find()
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason=MISSING)
SEED = 20261121
SIZES = ((118, 70), (MIN_SIDE, MIN_SIDE), (320, 192))


def scene(name: str = "photo_pan", frames: int = 5, width: int = 160, height: int = 96, fps: str = "25") -> Clip:
    return synthetic_clip(name, width, height, frames, Fraction(fps), seed=SEED)


def frames_of(clip: Clip) -> list[Frame]:
    return [clip.frame(index) for index in range(len(clip))]


def vmaf(clip: Clip, decoded: list[Frame] | Iterator[Frame]) -> Vmaf:
    assert FFMPEG is not None
    return measure(clip, decoded, FFMPEG)


def each_luma(clip: Clip, change: Callable[[np.ndarray], np.ndarray]) -> list[Frame]:
    return [(change(y), u, v) for y, u, v in frames_of(clip)]


def blurred(clip: Clip, sigma: float) -> list[Frame]:
    return each_luma(clip, lambda y: cv2.GaussianBlur(y, (0, 0), sigma))


def noisy(clip: Clip, deviation: float) -> list[Frame]:
    rng = np.random.default_rng(SEED)
    return each_luma(clip, lambda y: np.clip(y + rng.normal(0, deviation, y.shape), 0, 255).astype(np.uint8))


def coded(clip: Clip, name: str, crf: int) -> Iterator[Frame]:
    spec = anchors.find(name)
    return anchors.decode(spec, anchors.encode(spec, clip, crf), clip.width, clip.height)


# --- known answers -----------------------------------------------------------------------------------


@needs_ffmpeg
@pytest.mark.parametrize("name", SYNTHETIC)
def test_identical_frames_score_97_or_more(name: str) -> None:
    clip = scene(name)
    result = vmaf(clip, frames_of(clip))
    assert min(result.by_frame) >= 97
    assert max(result.by_frame) <= 100


@needs_ffmpeg
@pytest.mark.parametrize(("size", "frames", "fps"), list(product(SIZES, (1, 2, 5), ("25", "30000/1001"))))
def test_one_score_for_each_frame_whatever_the_clip_is_like(size: tuple[int, int], frames: int, fps: str) -> None:
    clip = scene(frames=frames, width=size[0], height=size[1], fps=fps)
    result = vmaf(clip, noisy(clip, 8))
    assert len(result.by_frame) == frames
    assert result.mean == pytest.approx(fmean(result.by_frame))
    assert result.model == MODEL


@needs_ffmpeg
def test_the_frame_rate_changes_nothing() -> None:
    clip = scene()
    rates = (Fraction(1, 2), Fraction(30000, 1001), Fraction(240))
    assert len({vmaf(replace(clip, fps=fps), noisy(clip, 8)).by_frame for fps in rates}) == 1


@needs_ffmpeg
def test_it_is_what_ffmpeg_says_of_two_files(tmp_path: Path) -> None:
    clip = scene(width=118, height=70, frames=7, fps="30000/1001")
    decoded = blurred(clip, 1.0)
    write_y4m(tmp_path / "original.y4m", frames_of(clip), clip.width, clip.height, clip.fps)
    write_y4m(tmp_path / "decoded.y4m", decoded, clip.width, clip.height, clip.fps)
    inputs = ["-i", "decoded.y4m", "-i", "original.y4m"]
    graph = f"libvmaf=model=version={MODEL}:log_fmt=json:log_path=log.json"
    command = [str(FFMPEG), "-loglevel", "error", *inputs, "-lavfi", graph, "-f", "null", "-"]
    subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, check=True)
    log = json.loads((tmp_path / "log.json").read_text("utf-8"))
    result = vmaf(clip, decoded)
    assert result.by_frame == tuple(frame["metrics"]["vmaf"] for frame in log["frames"])
    assert result.mean == pytest.approx(log["pooled_metrics"]["vmaf"]["mean"], abs=1e-5)
    assert result.ffmpeg.endswith(f"libvmaf {log['version']}")


@needs_ffmpeg
def test_it_sees_no_chroma() -> None:
    clip = scene()
    grey = [(y, np.full_like(u, 128), np.full_like(v, 128)) for y, u, v in frames_of(clip)]
    assert vmaf(clip, grey) == vmaf(clip, frames_of(clip))


# --- better and worse --------------------------------------------------------------------------------


@needs_ffmpeg
@pytest.mark.parametrize(
    ("spoilt", "amounts"), [(blurred, (0.4, 0.8, 1.2, 2.0, 3.0)), (noisy, (2, 5, 10, 20, 40))], ids=["blur", "noise"]
)
@pytest.mark.parametrize("name", ["photo_pan", "screen_text"])
def test_the_more_a_picture_is_spoilt_the_lower_its_score(
    name: str, spoilt: Callable[[Clip, float], list[Frame]], amounts: tuple[float, ...]
) -> None:
    clip = scene(name)
    means = [vmaf(clip, spoilt(clip, amount)).mean for amount in amounts]
    assert all(better > worse for better, worse in pairwise(means)), f"{means}, seed {SEED}"


@needs_ffmpeg
@pytest.mark.parametrize("name", ["x264-medium", "x265-medium"])
def test_an_anchor_at_a_lower_crf_scores_higher(name: str) -> None:
    clip = scene("shapes", frames=9)
    means = [vmaf(clip, coded(clip, name, crf)).mean for crf in (22, 27, 32, 37)]
    assert all(better > worse + 5 for better, worse in pairwise(means)), means


@needs_ffmpeg
def test_frames_of_strong_motion_score_100_though_they_are_coded() -> None:
    clip = scene(frames=9)
    near, nearer = (vmaf(clip, coded(clip, "x264-medium", crf)) for crf in (22, 17))
    assert near.mean < nearer.mean  # the first frame has no motion
    assert set(near.by_frame[1:]) == {100.0}


@needs_ffmpeg
@pytest.mark.parametrize("spoilt", [0, 3, 6])
def test_a_spoilt_frame_lowers_its_own_score_only(spoilt: int) -> None:
    clip = scene(frames=7)
    decoded = frames_of(clip)
    decoded[spoilt] = blurred(clip, 2.0)[spoilt]
    clean, result = vmaf(clip, frames_of(clip)).by_frame, vmaf(clip, decoded).by_frame
    assert [index for index in range(7) if result[index] != clean[index]] == [spoilt]
    assert result[spoilt] < clean[spoilt] - 10


@needs_ffmpeg
def test_planes_that_are_views_are_measured_by_what_they_show() -> None:
    clip = scene()
    views = [(y[:, ::-1].copy()[:, ::-1], u, v) for y, u, v in frames_of(clip)]
    assert not views[0][0].flags.c_contiguous
    assert vmaf(clip, views) == vmaf(clip, frames_of(clip))


# --- what refuses ------------------------------------------------------------------------------------


@needs_ffmpeg
@pytest.mark.parametrize(("given", "says"), [(0, "ended after 0"), (4, "ended after 4"), (6, "more decoded")])
def test_as_many_frames_as_the_clip_has(given: int, says: str) -> None:
    clip = scene()
    with pytest.raises(VmafError, match=says):
        vmaf(clip, (frames_of(clip) * 2)[:given])


@needs_ffmpeg
def test_a_plane_of_another_shape_or_kind_is_the_callers_mistake() -> None:
    clip = scene()
    y, u, v = clip.frame(0)
    for wrong in ((y[:-2], u, v), (y, v.T, u), (y.astype(np.int16), u, v), (y, u)):
        with pytest.raises(ValueError, match=r"decoded frame 0 is .* expected"):
            vmaf(clip, [wrong] * len(clip))  # type: ignore[list-item]


@needs_ffmpeg
@pytest.mark.parametrize(("width", "height"), [(32, 96), (96, 32)])
def test_a_clip_too_small_for_libvmaf_is_refused(width: int, height: int) -> None:
    clip = scene(width=width, height=height)
    with pytest.raises(VmafError, match=f"{width}x{height}, 5 frames.*at least {MIN_SIDE}"):
        vmaf(clip, frames_of(clip))


@needs_ffmpeg
def test_what_ffmpeg_refuses_is_told_in_its_words() -> None:
    clip = replace(scene(), fps=Fraction(10**12, 3))
    with pytest.raises(VmafError, match=r"VMAF of photo_pan .* ffmpeg failed with exit code \d+: .*framerate.*"):
        vmaf(clip, frames_of(clip))


@needs_ffmpeg
def test_a_decoder_that_breaks_is_not_hidden_and_leaves_no_process() -> None:
    clip = scene()

    def breaks() -> Iterator[Frame]:
        yield clip.frame(0)
        raise BrokenPipeError("the decoder's own")

    with pytest.raises(BrokenPipeError, match="the decoder's own"):
        vmaf(clip, breaks())
    assert not [child for child in psutil.Process().children() if child.name() == Path(str(FFMPEG)).name]


def test_a_program_that_measures_nothing_is_an_error() -> None:
    clip = scene()
    with pytest.raises(VmafError, match="no log"):
        measure(clip, frames_of(clip), program("true"))
    with pytest.raises(VmafError, match="exit code 1: it said nothing"):
        measure(clip, frames_of(clip), program("false"))
    with pytest.raises(VmafError, match=r"gone/ffmpeg cannot be run \(No such file"):
        measure(clip, frames_of(clip), Path("gone/ffmpeg"))


# --- which ffmpeg ------------------------------------------------------------------------------------


def program(name: str) -> Path:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs the program {name}")
    return Path(path)


@pytest.mark.parametrize(
    ("named", "says"),
    [("/gone/ffmpeg", "is no program"), ("/", "is no program"), (sys.executable, "has no libvmaf")],
)
def test_what_labkit_ffmpeg_names_must_have_libvmaf(named: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_FFMPEG", named)
    for _ in range(2):
        with pytest.raises(VmafError, match=f"LABKIT_FFMPEG is '{named}', which {says}.*; name an ffmpeg"):
            find()


@needs_ffmpeg
def test_the_one_on_path_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ffmpeg").symlink_to(str(FFMPEG))
    monkeypatch.delenv("LABKIT_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find() == tmp_path / "ffmpeg"
    monkeypatch.setenv("LABKIT_FFMPEG", "ffmpeg")  # a bare name is looked up too
    assert find() == tmp_path / "ffmpeg"


def test_one_on_path_without_libvmaf_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ffmpeg").symlink_to(program("true"))
    monkeypatch.delenv("LABKIT_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find() != tmp_path / "ffmpeg"


@needs_ffmpeg
def test_a_path_given_from_here_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ffmpeg").symlink_to(str(FFMPEG))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABKIT_FFMPEG", "./ffmpeg")
    found = find()
    assert found is not None
    assert found.is_absolute()
    clip = scene(frames=1)
    assert len(measure(clip, frames_of(clip), Path("ffmpeg")).by_frame) == 1
