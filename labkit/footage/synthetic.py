"""Procedural clips, seeded and the same everywhere: content to code, never a stand-in for a codec.

All sampling and blending is integer arithmetic, so that a clip's hash does not depend on the machine; only
the letters of `screen_text` depend on the FreeType that matplotlib brings (one before 3.11, another since).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray

from labkit.clip import Clip, Frame, frame_bytes, split_planes
from labkit.errors import ClipError
from labkit.footage.kept import kept
from labkit.footage.screen import screen

RGB = NDArray[np.uint8]
"""A picture: uint8, shape (height, width, 3)."""

WIDTH, HEIGHT, FRAMES, FPS = 320, 192, 17, 25
"""What a procedural clip is like unless asked otherwise."""

_PHASES = 64
"""Pictures are sampled at positions that are multiples of 1/64 of a sample."""
_WEIGHT_BITS = 7


@dataclass(frozen=True)
class Scene:
    """One kind of clip.

    Attributes:
        paint: called with width, height, number of frames and seed; gives the pictures one by one.
        noise: sensor noise, standard deviation of the luma in sample values.
    """

    description: str
    paint: Callable[[int, int, int, int], Iterator[RGB]]
    noise: float = 0.0


def synthetic_clip(
    name: str,
    width: int = WIDTH,
    height: int = HEIGHT,
    frames: int = FRAMES,
    fps: Fraction | int = FPS,
    seed: int = 0,
) -> Clip:
    """Return the clip of that name in SYNTHETIC; the same arguments give the same hash on every machine.

    Args:
        width: even, at least 32; height the same.

    Raises:
        ValueError: there is no such name, or the size or number of frames makes no clip.
    """
    scene = _scene(name)
    if width % 2 or height % 2 or min(width, height) < 32 or frames < 1:
        raise ValueError(f"{frames} frames of {width}x{height}: at least 1 is needed, both sides even and at least 32")
    data = np.empty((frames, frame_bytes(width, height)), np.uint8)
    for index, picture in enumerate(scene.paint(width, height, frames, seed)):
        planes = split_planes(data[index], width, height)
        _to_yuv(picture, planes)
        if scene.noise:
            add_noise(planes, scene.noise, np.random.default_rng((seed, index)))
    return Clip(name, data, width, height, Fraction(fps), "bt601", origin=f"synthetic {name}, seed {seed}")


def kept_synthetic_clip(name: str, frames: int, seed: int) -> Clip:
    """Return `synthetic_clip` of the built-in size and rate, from a file if it was painted before."""
    _scene(name)
    shape = (frames, frame_bytes(WIDTH, HEIGHT))
    data = kept(f"{name}-{frames}-{seed}", shape, lambda: synthetic_clip(name, frames=frames, seed=seed).data)
    return Clip(name, data, WIDTH, HEIGHT, Fraction(FPS), "bt601", origin=f"synthetic {name}, seed {seed}")


def _scene(name: str) -> Scene:
    if name in SYNTHETIC:
        return SYNTHETIC[name]
    near = get_close_matches(name, SYNTHETIC, n=1, cutoff=0) or [""]
    raise ValueError(f"no synthetic clip {name!r}; did you mean {near[0]!r}? There are: {', '.join(SYNTHETIC)}")


def _photo_pan(width: int, height: int, frames: int, seed: int) -> Iterator[RGB]:
    """Move a hand-held camera over a photograph: pan, slight zoom and roll, tremor below one sample."""
    photo = _photo()
    high, wide = photo.shape[:2]
    scale = min(1.0, 0.6 * wide / width, 0.6 * high / height)  # never above 1: it would alias
    room = np.array([wide - width * scale, high - height * scale]) * 0.4
    phase = np.random.default_rng(seed).integers(0, 628, 4) / 100
    x, y = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
    for time in range(frames):
        turn = math.radians(2.0) * math.sin(time / 13 + phase[2])
        zoom = scale * (1 + 0.05 * math.sin(time / 17 + phase[3]))
        centre_x = wide / 2 + room[0] * math.sin(time / 31 + phase[0]) + 0.7 * math.sin(time * 1.3)
        centre_y = high / 2 + room[1] * math.sin(time / 47 + phase[1]) + 0.5 * math.sin(time * 1.7)
        cosine, sine = zoom * math.cos(turn), zoom * math.sin(turn)
        yield _sampled(photo, centre_x + cosine * x - sine * y, centre_y + sine * x + cosine * y)


def _shapes(width: int, height: int, frames: int, seed: int) -> Iterator[RGB]:
    """Move and turn textured shapes over a textured background that drifts, too."""
    random = np.random.default_rng(seed)
    ground = _texture(random, 512, 128)
    shapes = [_Shape.of(random, outline, width, height) for outline in _OUTLINES * 2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    for time in range(frames):
        picture = _sampled(ground, x + 0.85 * time, y + 0.4 * time)
        for shape in shapes:
            shape.draw(picture, time)
        yield picture


def _scene_cut(width: int, height: int, frames: int, seed: int) -> Iterator[RGB]:
    """Cut in the middle from the photograph to the shapes."""
    before = frames // 2
    yield from _photo_pan(width, height, before, seed + 1000)
    yield from _shapes(width, height, frames - before, seed + 2000)


SYNTHETIC: Mapping[str, Scene] = {
    "photo_pan": Scene("hand-held camera over a photograph, with sensor noise", _photo_pan, noise=1.5),
    "shapes": Scene("ten textured shapes that move and turn over a drifting texture", _shapes, noise=0.7),
    "scene_cut": Scene("a cut in the middle, from a moving photograph to moving shapes", _scene_cut, noise=1.0),
    "screen_text": Scene("an editor that scrolls, a terminal that is typed into, a mouse pointer", screen),
}
"""All procedural clips by name."""

_OUTLINES: tuple[Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]], ...] = (
    lambda u, v: np.sqrt(u * u + v * v) - 1,
    lambda u, v: np.maximum(np.abs(u), np.abs(v)) - 0.8,
    lambda u, v: np.maximum(np.abs(u) * 0.866 + v * 0.5, -v) - 0.6,
    lambda u, v: np.abs(np.sqrt(u * u + v * v) - 0.75) - 0.25,
    lambda u, v: np.minimum(np.maximum(np.abs(u) - 1, np.abs(v) - 0.3), np.maximum(np.abs(u) - 0.3, np.abs(v) - 1)),
)
"""Disc, square, triangle, ring and cross: distance from the edge, below 0 inside, in radii."""


@dataclass(frozen=True)
class _Shape:
    """A shape with its own texture on its own way; lengths in samples, angles in radians, times in frames."""

    outline: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    texture: RGB
    radius: float
    start: tuple[float, float]
    speed: tuple[float, float]
    turn: float
    area: tuple[int, int]

    @classmethod
    def of(
        cls,
        random: np.random.Generator,
        outline: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
        width: int,
        height: int,
    ) -> "_Shape":
        """Return a shape of random size, texture, place, speed and turn."""
        radius = min(width, height) * float(random.integers(8, 22)) / 100
        start = (float(random.integers(0, width)), float(random.integers(0, height)))
        speed = tuple(float(value) / 100 for value in random.integers(-400, 401, 2))
        turn = float(random.integers(-80, 81)) / 1000
        return cls(outline, _texture(random, 128, 64), radius, start, (speed[0], speed[1]), turn, (width, height))

    def draw(self, picture: RGB, time: int) -> None:
        """Blend the shape into the picture; it leaves at one side and comes back at the other."""
        margin = 2 * self.radius
        centre = [
            (start + speed * time + self.radius) % (side + margin) - self.radius
            for start, speed, side in zip(self.start, self.speed, self.area, strict=True)
        ]
        reach = int(self.radius * 1.5) + 2
        left, top = (max(0, int(value) - reach) for value in centre)
        part = picture[top : max(0, int(centre[1]) + reach), left : max(0, int(centre[0]) + reach)]
        x, y = np.meshgrid(np.arange(part.shape[1]) + left - centre[0], np.arange(part.shape[0]) + top - centre[1])
        cosine, sine = math.cos(self.turn * time), math.sin(self.turn * time)
        u, v = cosine * x + sine * y, cosine * y - sine * x
        distance = self.outline(u / self.radius, v / self.radius) * self.radius
        share = np.rint((0.5 - distance).clip(0, 1) * 256).astype(np.int32)[..., None]
        inside = _sampled(self.texture, u + 64, v + 64).astype(np.int32)
        part[:] = (inside * share + part * (256 - share) + 128) >> 8


def _texture(random: np.random.Generator, size: int, coarsest: int) -> RGB:
    """Return a square of coloured noise with detail at every scale, as natural textures have."""
    field = np.zeros((size, size), np.int32)
    weight, cell = 64, coarsest
    while cell >= 1:
        grid = random.integers(0, 256, (size // cell, size // cell), dtype=np.uint8)
        field += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_LINEAR_EXACT).astype(np.int32)
        weight, cell = max(1, weight * 3 // 4), cell // 2
    low, high = (int(value) for value in np.percentile(field, [2, 98], method="nearest"))
    level = ((field - low).clip(0, high - low) * 255 // (high - low))[..., None]
    dark, light = random.integers(0, 100, 3), random.integers(130, 256, 3)
    colours: RGB = (dark + (light - dark) * level // 255).astype(np.uint8)
    return colours


@cache
def _photo() -> RGB:
    """Return the photograph that matplotlib ships (Grace Hopper, from Wikimedia Commons), uint8 (600, 512, 3)."""
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ClipError(f"{path}: matplotlib's sample photograph cannot be read; install matplotlib again")
    return np.ascontiguousarray(picture[:, :, ::-1], np.uint8)


@cache
def _cubic_weights() -> NDArray[np.int32]:
    """Return the four weights of each phase, in units of 2 ** -_WEIGHT_BITS; each row sums to one.

    Source:
        R. Keys, "Cubic convolution interpolation", 1981, with a = -1/2 (Catmull-Rom).
    """
    t = np.arange(_PHASES) / _PHASES
    weights = np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3], axis=1)
    rounded: NDArray[np.int32] = np.rint(weights / 2 * 2**_WEIGHT_BITS).astype(np.int32)
    rounded[np.arange(_PHASES), rounded.argmax(axis=1)] += 2**_WEIGHT_BITS - rounded.sum(axis=1)
    return rounded


def _sampled(picture: RGB, x: NDArray[np.float64], y: NDArray[np.float64]) -> RGB:
    """Return the picture at positions (x, y), float64 (h, w); beyond its edges it is mirrored."""
    (x_whole, x_weights), (y_whole, y_weights) = _split(x), _split(y)
    columns = [_mirrored(x_whole + tap, picture.shape[1]) for tap in (-1, 0, 1, 2)]
    flat = picture.reshape(-1, 3)
    total = np.zeros((*x.shape, 3), np.int32)
    for row_tap in range(4):
        rows = _mirrored(y_whole + row_tap - 1, picture.shape[0]) * picture.shape[1]
        for column_tap in range(4):
            weights = y_weights[..., row_tap] * x_weights[..., column_tap]
            total += flat[rows + columns[column_tap]] * weights[..., None]
    rounded: RGB = ((total + (1 << (2 * _WEIGHT_BITS - 1))) >> (2 * _WEIGHT_BITS)).clip(0, 255).astype(np.uint8)
    return rounded


def _split(position: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the whole part of each position and the weights of its four neighbours."""
    steps = np.rint(position * _PHASES).astype(np.int64)
    return steps // _PHASES, _cubic_weights()[steps % _PHASES]


def _mirrored(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Fold indices back into [0, size)."""
    folded = index % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)


def _to_yuv(picture: RGB, planes: Frame) -> None:
    """Fill the planes: BT.601, limited range, each chroma sample from the mean of four."""
    red, green, blue = np.moveaxis(picture.astype(np.int32), 2, 0)
    planes[0][:] = ((66 * red + 129 * green + 25 * blue + 128) >> 8) + 16
    red, green, blue = (
        plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2] for plane in (red, green, blue)
    )
    planes[1][:] = ((-38 * red - 74 * green + 112 * blue + 512) >> 10) + 128
    planes[2][:] = ((112 * red - 94 * green - 18 * blue + 512) >> 10) + 128


def add_noise(planes: Frame, sigma: float, random: np.random.Generator) -> None:
    """Add noise of standard deviation `sigma`, half of it for chroma; a sum of four bytes is nearly Gaussian."""
    for plane, level in zip(planes, (sigma, sigma / 2, sigma / 2), strict=True):
        four = random.integers(0, 256, (4, *plane.shape), dtype=np.uint8).sum(axis=0, dtype=np.int32) - 510
        factor = round(level / math.sqrt((256**2 - 1) / 3) * 2**16)
        plane[:] = (plane + ((four * factor + 2**15) >> 16)).clip(16, 240)
