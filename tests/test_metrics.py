"""Distortion: closed forms for PSNR, scikit-image for SSIM, scipy for MS-SSIM, numpy for the worst block."""

import hashlib
from math import inf, log10

import numpy as np
import pytest
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity

from labkit.clip import Frame, Plane
from labkit.metrics import Distortion, Similarity, frame_hash, ms_ssim, psnr, squared_error, ssim, worst_block

SIZES = [(16, 16), (18, 34), (40, 24), (90, 62), (144, 176)]
LARGE = [(161, 161), (162, 400), (176, 176), (270, 330), (335, 217), (360, 640)]
"""Sides that five scales fit into: the smallest, odd ones at any scale, and whole numbers of stripes or not."""


def flat(value: int, height: int = 32, width: int = 48) -> Plane:
    return np.full((height, width), value, dtype=np.uint8)


def flat_frame(y: int, u: int, v: int) -> Frame:
    return flat(y), flat(u, 16, 24), flat(v, 16, 24)


def noise(seed: int, height: int, width: int) -> tuple[Plane, Plane]:
    """A smooth picture and the same with noise of several strengths, clipped at 0 and 255."""
    print(f"seed {seed}, {height}x{width}")
    rng = np.random.default_rng(seed)
    smooth = np.kron(rng.integers(0, 256, (height // 8 + 1, width // 8 + 1)), np.ones((8, 8)))[:height, :width]
    noisy = smooth + rng.normal(0, 12, smooth.shape)
    return smooth.astype(np.uint8), np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("offset", [1, 2, 17, 128, 255])
def test_a_constant_offset_has_psnr_20_log10_of_255_over_it(offset: int) -> None:
    assert psnr(flat(0), flat(offset)) == pytest.approx(20 * log10(255 / offset), abs=1e-12)
    assert psnr(flat(offset), flat(0)) == pytest.approx(20 * log10(255 / offset), abs=1e-12)


def test_subtraction_does_not_wrap_around() -> None:
    assert psnr(flat(0), flat(255)) == pytest.approx(0.0, abs=1e-12)
    assert worst_block(flat(0), flat(255)) == pytest.approx(0.0, abs=1e-12)
    assert psnr(flat(250), flat(4)) == pytest.approx(20 * log10(255 / 246), abs=1e-12)
    assert ssim(flat(0), flat(255)) == pytest.approx(0.0, abs=2e-4)  # (C1 / (255**2 + C1)), C1 = 6.5025


def test_one_wrong_sample_is_one_squared_error() -> None:
    wrong = flat(100)
    wrong[31, 47] = 90
    assert squared_error(flat(100), wrong) == 100
    assert psnr(flat(100), wrong) == pytest.approx(10 * log10(255**2 * 32 * 48 / 100), abs=1e-12)
    assert worst_block(flat(100), wrong) == pytest.approx(10 * log10(255**2 * 256 / 100), abs=1e-9)


@pytest.mark.parametrize("shape", [(1080, 1920), (4320, 7680), (8192, 16384)])
def test_the_squared_error_is_exact_for_large_planes(shape: tuple[int, int]) -> None:
    black, white = np.zeros(shape, dtype=np.uint8), np.full(shape, 255, dtype=np.uint8)
    assert squared_error(black, white) == 255**2 * shape[0] * shape[1]


def test_the_squared_error_is_that_of_integers() -> None:
    rng = np.random.default_rng(20261121)
    for _ in range(100):
        first, second = rng.integers(0, 256, (2, *rng.integers(1, 200, 2)), dtype=np.uint8)
        assert squared_error(first, second) == int(np.square(first.astype(np.int64) - second).sum())


def test_equal_planes_are_lossless() -> None:
    picture, _ = noise(1, 90, 62)
    assert (psnr(picture, picture), worst_block(picture, picture), ssim(picture, picture)) == (inf, inf, 1.0)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_ssim_is_that_of_scikit_image(height: int, width: int) -> None:
    original, decoded = noise(height, height, width)
    assert ssim(original, decoded) == pytest.approx(oracle_ssim(original, decoded), abs=1e-6)
    assert ssim(original, 255 - decoded) == pytest.approx(oracle_ssim(original, 255 - decoded), abs=1e-6)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_ssim_keeps_its_digits_on_flat_bright_pictures(value: int) -> None:
    touched = flat(value, 64, 64)
    touched[::7, ::5] ^= 1
    assert ssim(flat(value, 64, 64), touched) == pytest.approx(oracle_ssim(flat(value, 64, 64), touched), abs=1e-6)


@pytest.mark.parametrize(("height", "width"), [(2, 2), (4, 40), (10, 10), (40, 10), (6, 2)])
def test_ssim_of_small_planes_mirrors_their_borders(height: int, width: int) -> None:
    original, decoded = noise(7, height, width)
    framed = [np.pad(plane, 5, mode="reflect") for plane in (original, decoded)]
    assert ssim(original, decoded) == pytest.approx(oracle_ssim(*framed), abs=1e-6)


@pytest.mark.parametrize(("height", "width"), LARGE)
def test_ms_ssim_is_that_of_float64_and_scipy(height: int, width: int) -> None:
    original, decoded = noise(height, height, width)
    for other in (decoded, decoded // 2 + 60, np.roll(original, 3, axis=1)):
        assert ms_ssim(original, other) == pytest.approx(oracle_ms_ssim(original, other), abs=1e-6)
    assert 0.3 < oracle_ms_ssim(original, decoded) < 0.999  # a figure that could differ


def test_ms_ssim_of_equal_planes_is_1_and_of_opposite_ones_0() -> None:
    picture, _ = noise(11, 200, 300)
    assert ms_ssim(picture, picture) == 1.0
    assert ms_ssim(picture, 255 - picture) == 0.0  # structure below 0 counts as 0, and makes no complex number


def test_ms_ssim_of_a_constant_offset_is_the_luminance_of_the_coarsest_scale() -> None:
    constant = (0.01 * 255) ** 2
    luminance = (2 * 100 * 120 + constant) / (100**2 + 120**2 + constant)
    measured = ms_ssim(flat(100, 200, 300), flat(120, 200, 300))
    assert measured == pytest.approx(luminance**0.1333, abs=1e-6)


@pytest.mark.parametrize(("height", "width"), [(160, 640), (640, 160), (144, 176), (2, 2)])
def test_planes_that_five_scales_do_not_fit_into_have_no_ms_ssim(height: int, width: int) -> None:
    assert ms_ssim(*noise(2, height, width)) is None


def test_both_similarities_of_one_pass_are_those_of_two_and_leave_nothing_behind() -> None:
    similarity = Similarity(270, 330)
    for seed in (1, 2, 1):
        pair = noise(seed, 270, 330)
        assert similarity.of(*pair) == (ssim(*pair), ms_ssim(*pair))


@pytest.mark.parametrize(("height", "width"), [*SIZES, (2, 2), (8, 40), (30, 14)])
def test_the_worst_block_is_that_of_numpy(height: int, width: int) -> None:
    original, decoded = noise(3, height, width)
    error = np.square(original.astype(np.float64) - decoded)
    rows, columns = min(16, height), min(16, width)
    tops = {*range(0, height - rows + 1, rows), height - rows}
    lefts = {*range(0, width - columns + 1, columns), width - columns}
    worst = max(error[t : t + rows, x : x + columns].mean() for t in tops for x in lefts)
    assert worst_block(original, decoded) == pytest.approx(10 * log10(255**2 / worst), abs=1e-6)


def test_an_error_at_the_edge_counts_in_a_full_block() -> None:
    wrong = flat(100, 40, 40)
    wrong[39, :] += 16  # inside the bottom block, rows 24 to 39
    assert worst_block(flat(100, 40, 40), wrong) == pytest.approx(10 * log10(255**2 / 16), abs=1e-9)


def test_planes_weigh_by_their_samples_in_the_overall_psnr() -> None:
    measured = Distortion(48, 32)
    measured.add(flat_frame(100, 100, 100), flat_frame(101, 102, 103))
    mean_squared_error = (4 * 1 + 1 * 4 + 1 * 9) / 6
    assert measured.result().psnr_db == pytest.approx(10 * log10(255**2 / mean_squared_error), abs=1e-12)


def test_jvet_means_are_means_of_decibels() -> None:
    measured = Distortion(48, 32)
    measured.add(flat_frame(100, 100, 100), flat_frame(101, 102, 104))
    measured.add(flat_frame(100, 100, 100), flat_frame(92, 102, 104))
    y_db = [20 * log10(255), 20 * log10(255 / 8)]
    u_db, v_db = 20 * log10(255 / 2), 20 * log10(255 / 4)
    quality = measured.result()
    assert quality.frame_psnr_y_db == pytest.approx(y_db, abs=1e-12)
    assert quality.psnr_y_db == pytest.approx(sum(y_db) / 2, abs=1e-12)
    assert quality.psnr_yuv_db == pytest.approx((6 * sum(y_db) / 2 + u_db + v_db) / 8, abs=1e-12)
    assert quality.worst_block_db == pytest.approx(y_db[1], abs=1e-9)


def test_one_lossless_frame_lifts_the_mean_of_decibels_but_not_the_overall_psnr() -> None:
    measured = Distortion(48, 32)
    measured.add(flat_frame(1, 1, 1), flat_frame(1, 1, 1))
    measured.add(flat_frame(1, 1, 1), flat_frame(3, 3, 3))
    quality = measured.result()
    assert quality.psnr_db == pytest.approx(10 * log10(255**2 / 2), abs=1e-12)
    assert quality.psnr_y_db == quality.psnr_yuv_db == quality.frame_psnr_y_db[0] == inf


def test_a_lossless_clip_is_infinite() -> None:
    measured = Distortion(48, 32)
    for value in (0, 128, 255):
        measured.add(flat_frame(value, value, value), flat_frame(value, value, value))
    quality = measured.result()
    assert (quality.psnr_db, quality.psnr_y_db, quality.psnr_yuv_db, quality.worst_block_db) == (inf,) * 4
    assert quality.ssim == 1.0


def test_ssim_and_worst_block_look_at_luma_of_every_frame() -> None:
    clean, noisy = noise(5, 32, 48)
    measured = Distortion(48, 32)
    measured.add((clean, flat(1, 16, 24), flat(1, 16, 24)), (noisy, flat(99, 16, 24), flat(1, 16, 24)))
    measured.add((clean, flat(1, 16, 24), flat(1, 16, 24)), (clean, flat(1, 16, 24), flat(1, 16, 24)))
    assert measured.result().ssim == pytest.approx((ssim(clean, noisy) + 1) / 2, abs=1e-12)
    assert measured.result().worst_block_db == worst_block(clean, noisy)


def test_ms_ssim_is_the_mean_over_frames_and_none_for_small_clips() -> None:
    clean, noisy = noise(5, 200, 300)
    chroma = flat(1, 100, 150)
    measured = Distortion(300, 200)
    measured.add((clean, chroma, chroma), (noisy, chroma, chroma))
    measured.add((clean, chroma, chroma), (clean, chroma, chroma))
    one = ms_ssim(clean, noisy)
    assert one is not None
    assert measured.result().ms_ssim == pytest.approx((one + 1) / 2, abs=1e-12)
    small = Distortion(48, 32)
    small.add(flat_frame(1, 1, 1), flat_frame(2, 2, 2))
    assert small.result().ms_ssim is None


def test_frame_hashes_are_those_of_the_decoded_planes() -> None:
    measured = Distortion(48, 32)
    decoded = [flat_frame(7, 8, 9), flat_frame(7, 8, 9), flat_frame(7, 9, 8)]
    for frame in decoded:
        measured.add(flat_frame(1, 2, 3), frame)
    first, second, third = measured.result().frame_hashes
    assert first == hashlib.blake2b(bytes([7]) * 1536 + bytes([8]) * 384 + bytes([9]) * 384, digest_size=8).hexdigest()
    assert (first == second, first == third) == (True, False)
    assert frame_hash((flat(7, 64, 96)[::2, ::2], *decoded[0][1:])) == first


def test_views_that_are_not_contiguous_are_measured_like_their_copies() -> None:
    clean, noisy = noise(6, 400, 360)
    for measure in (psnr, ssim, ms_ssim, worst_block):
        copies = measure(clean[::2, ::2].copy(), noisy[::2, ::2].copy())
        assert measure(clean[::2, ::2], noisy[::2, ::2]) == copies


@pytest.mark.parametrize(
    "decoded",
    [
        (flat(0), flat(0, 16, 24), flat(0, 16, 22)),
        (flat(0, 48, 32), flat(0, 16, 24), flat(0, 16, 24)),
        (flat(0), flat(0, 16, 24)),
        (flat(0).astype(np.int16), flat(0, 16, 24), flat(0, 16, 24)),
    ],
)
def test_a_frame_of_another_form_is_the_callers_mistake(decoded: Frame) -> None:
    with pytest.raises(ValueError, match=r"decoded frame 0 is \(.*expected uint8 \(\(32, 48\), \(16, 24\)"):
        Distortion(48, 32).add(flat_frame(0, 0, 0), decoded)


@pytest.mark.parametrize("measure", [psnr, ssim, ms_ssim, worst_block])
def test_planes_of_another_form_are_the_callers_mistake(measure) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="planes differ in shape"):
        measure(flat(0), flat(0, 32, 46))
    with pytest.raises(ValueError, match="decoded plane is float64"):
        measure(flat(0), flat(0).astype(np.float64))
    with pytest.raises(ValueError, match="original plane is uint8"):
        measure(np.zeros(4, dtype=np.uint8), flat(0))


def test_no_frame_has_no_result() -> None:
    with pytest.raises(ValueError, match="no frame was measured"):
        Distortion(48, 32).result()


def oracle_ssim(original: Plane, decoded: Plane) -> float:
    return float(
        structural_similarity(
            original, decoded, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
        )
    )


def oracle_ms_ssim(original: Plane, decoded: Plane) -> float:
    """Wang's definition in float64, from the planes themselves and without any of our shortcuts."""
    first, second = original.astype(np.float64), decoded.astype(np.float64)
    product = 1.0
    for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
        if scale:
            first, second = halved(first), halved(second)
        mean_1, mean_2 = windowed(first), windowed(second)
        variance_1, variance_2 = windowed(first**2) - mean_1**2, windowed(second**2) - mean_2**2
        covariance = windowed(first * second) - mean_1 * mean_2
        contrast = (2 * covariance + 58.5225) / (variance_1 + variance_2 + 58.5225)
        luminance = (2 * mean_1 * mean_2 + 6.5025) / (mean_1**2 + mean_2**2 + 6.5025)
        product *= max(0.0, float((contrast * luminance if scale == 4 else contrast).mean())) ** weight
    return product


def windowed(values: np.ndarray) -> np.ndarray:
    weights = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    weights /= weights.sum()
    return correlate1d(correlate1d(values, weights, axis=0), weights, axis=1)[5:-5, 5:-5]


def halved(values: np.ndarray) -> np.ndarray:
    even = np.pad(values, [(0, side % 2) for side in values.shape], mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
