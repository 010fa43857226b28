"""Procedural clips: always the same, all moving, and as hard to code as real ones."""

from fractions import Fraction

import av
import cv2
import matplotlib
import numpy as np
import pytest

from labkit.clip import frame_bytes, split_planes
from labkit.footage.synthetic import SYNTHETIC, add_noise, synthetic_clip

NAMES = list(SYNTHETIC)

GOLDEN = {
    "photo_pan": "b1be99822b030eb6da27c383a6497e61bfbba359553f95485f3a0f18a33d6fca",
    "shapes": "e6517218bed3b2a1f2de7a7b8f868ceb27d73697761d029ce2e6e3e68bba70cd",
    "scene_cut": "5873376de32f77a1361291dcfe72fab14c1d21b9dc9c639e3fccf96cfe4d4992",
    "screen_text": "11b8483813bf0b79a8eeacf93a66038416ab18634b9a2b56cb2109b3874213c2",
}


def luma_change(clip, index):
    """Return the mean absolute luma difference between a frame and the one before."""
    before, after = (clip.frame(i)[0].astype(int) for i in (index - 1, index))
    return np.abs(after - before).mean()


@pytest.mark.parametrize("name", NAMES)
def test_hash_is_the_same_on_every_machine(name):
    if name == "screen_text" and matplotlib.__version_info__[:2] < (3, 11):
        pytest.skip("its letters are drawn by matplotlib's FreeType, and before 3.11 that was another version")
    assert synthetic_clip(name, 128, 96, frames=4).hash == GOLDEN[name]


@pytest.mark.parametrize("name", NAMES)
def test_seed_changes_the_clip(name):
    one, other = (synthetic_clip(name, 64, 48, frames=2, seed=seed) for seed in (0, 1))
    assert one.hash != other.hash
    assert other.origin == f"synthetic {name}, seed 1"


@pytest.mark.parametrize("name", ["photo_pan", "shapes", "screen_text"])
def test_a_shorter_clip_is_the_start_of_a_longer_one(name):
    assert synthetic_clip(name, 64, 48, frames=3).hash == synthetic_clip(name, 64, 48, frames=6).head(3).hash


@pytest.mark.parametrize("name", NAMES)
def test_clip_is_as_asked_for_and_moves(name):
    clip = synthetic_clip(name, 96, 64, frames=8, fps=Fraction(30000, 1001))
    assert (clip.name, clip.width, clip.height, len(clip)) == (name, 96, 64, 8)
    assert clip.fps == Fraction(30000, 1001)
    assert all(luma_change(clip, index) > 0.01 for index in range(1, 8))
    assert clip.data.min() >= 16
    assert clip.data.max() <= 240
    assert SYNTHETIC[name].description


def test_scene_cut_cuts_in_the_middle_and_nowhere_else():
    clip = synthetic_clip("scene_cut", frames=9)
    changes = [luma_change(clip, index) for index in range(1, 9)]
    assert np.argmax(changes) == 3  # between frames 3 and 4: four frames of one scene, five of the other
    assert max(changes) > 2 * sorted(changes)[-2]


def test_camera_reveals_what_was_not_in_the_first_frame():
    clip = synthetic_clip("photo_pan", frames=17)
    first, last = (clip.frame(index)[0] for index in (0, 16))
    centre = last[64:128, 112:208]
    found = cv2.minMaxLoc(cv2.matchTemplate(first, centre, cv2.TM_CCOEFF_NORMED))[3]
    shift = np.hypot(found[0] - 112, found[1] - 64)
    assert 16 < shift < 120


def test_noise_has_the_standard_deviation_asked_for():
    planes = split_planes(np.full(frame_bytes(512, 512), 128, np.uint8), 512, 512)
    add_noise(planes, 3.0, np.random.default_rng(0))
    for plane, sigma in zip(planes, (3.0, 1.5, 1.5), strict=True):
        assert plane.mean() == pytest.approx(128, abs=0.05)
        assert plane.std() == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=0.02)  # 1/12: rounding to whole numbers


def x265(clip, crf):
    """Return kbps and overall PSNR of x265 medium."""
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = clip.width, clip.height, "yuv420p"
    encoder.framerate, encoder.time_base = clip.fps, 1 / clip.fps
    quiet = f"crf={crf}:info=0:pools=none:frame-threads=1:keyint=999:log-level=none"
    encoder.options = {"preset": "medium", "tune": "psnr", "x265-params": quiet}
    packets = []
    for index, row in enumerate(clip.data):
        frame = av.VideoFrame.from_ndarray(row.reshape(clip.height * 3 // 2, clip.width), "yuv420p")
        frame.pts, frame.time_base = index, 1 / clip.fps
        packets += encoder.encode(frame)
    packets += encoder.encode()
    decoder = av.CodecContext.create("hevc", "r")
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    decoded = np.stack([frame.to_ndarray().ravel() for frame in frames])
    mse = np.mean((decoded.astype(float) - clip.data) ** 2)
    return sum(packet.size for packet in packets) * 8 * float(clip.fps) / len(clip) / 1000, 10 * np.log10(255**2 / mse)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_x265_needs_the_bits_of_real_video(name):
    clip = synthetic_clip(name)
    points = [x265(clip, crf) for crf in (22, 27, 32, 37)]
    assert all(30 < rate < 2000 for rate, _ in points)
    assert 36 < points[0][1] < 48
    assert 28 < points[-1][1] < 35


def test_unknown_name_offers_the_nearest():
    with pytest.raises(ValueError, match=r"no synthetic clip 'photopan'; did you mean 'photo_pan'\?"):
        synthetic_clip("photopan")


@pytest.mark.parametrize(("width", "height", "frames"), [(63, 64, 1), (64, 30, 1), (64, 64, 0)])
def test_impossible_sizes_are_refused(width, height, frames):
    with pytest.raises(ValueError, match=f"{frames} frames of {width}x{height}: at least 1"):
        synthetic_clip("shapes", width, height, frames)
