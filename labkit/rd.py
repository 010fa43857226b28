"""Rate and distortion: points, curves and Bjøntegaard's average rate difference."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf, log10, nan
from types import MappingProxyType

import numpy as np
from scipy.interpolate import PchipInterpolator

from labkit.errors import RDError

QPS = (22, 27, 32, 37)
"""Quantisation parameters of the JVET common test conditions; the step doubles every 6."""

MIN_POINTS = 4
MIN_COMMON = 0.5
"""A comparison needs at least this share of the anchor's PSNR range in common."""

METRICS = MappingProxyType(
    {"psnr_db": "PSNR", "psnr_y_db": "PSNR-Y", "psnr_yuv_db": "PSNR-YUV", "ssim": "SSIM", "ms_ssim": "MS-SSIM"}
)
"""The fields of RDPoint that make a curve, and what they are called; the first decides."""


@dataclass(frozen=True)
class RDPoint:
    """Rate and distortion of one clip at one QP, with the evidence of what was run.

    Attributes:
        clip: the clip's name; `clip_hash` its content hash.
        bytes: size of the container file, header included; fewer is better.
        rate_kbps: bytes * 8 * fps / frames / 1000; lower is better.
        psnr_db: one squared error over all samples of all frames and planes, in dB; higher is better; inf if lossless.
        psnr_y_db: mean over frames of the luma PSNR (JVET's habit); inf if any frame is lossless.
        psnr_yuv_db: mean over frames of (6 Y + U + V) / 8.
        ssim: mean luma SSIM over frames, at most 1; higher is better.
        worst_block_db: the lowest PSNR-Y of any 16x16 block of any frame; higher is better.
        encode_s: seconds by the parent's clock, encode side; `decode_s` the same for decoding.
        encode_cpu_s: CPU seconds of the encoder's process; `decode_cpu_s` the same for decoding.
        peak_mib: the larger peak memory of the two processes.
        candidate: hash of the program that was run; an anchor's identity for an anchor.
        bitstream_sha256: hash of the container file.
        raw_bytes: size of the clip's samples; raw_bytes / bytes is the compression ratio.
        frame_bytes: payload bytes by frame; one number for a whole-clip codec.
        frame_psnr_y_db: luma PSNR by frame.
        ms_ssim: mean multi-scale SSIM of luma over frames, at most 1; higher is better; None for small clips.
        frame_hashes: of the decoded frames: BLAKE2b of planes y, u, v, 8 bytes as hex.
        reported: what the encoder says it spent on what, in bytes; shown, believed by nobody.
    """

    clip: str
    clip_hash: str
    qp: int
    bytes: int
    rate_kbps: float
    psnr_db: float
    psnr_y_db: float
    psnr_yuv_db: float
    ssim: float
    worst_block_db: float
    encode_s: float
    decode_s: float
    candidate: str
    bitstream_sha256: str
    encode_cpu_s: float = 0.0
    decode_cpu_s: float = 0.0
    peak_mib: float = 0.0
    raw_bytes: int = 0
    frame_bytes: tuple[int, ...] = field(default=(), repr=False)
    frame_psnr_y_db: tuple[float, ...] = field(default=(), repr=False)
    reported: tuple[tuple[str, float], ...] = field(default=(), repr=False)
    ms_ssim: float | None = None
    frame_hashes: tuple[str, ...] = field(default=(), repr=False)


CONTAINER, UNTOLD = "container (measured)", "not told"
"""Parts of a file that no encoder tells of."""


def shares(point: RDPoint) -> dict[str, float]:
    """Return what goes where as shares of the file: what the encoder reports, the container, and what is left.

    Returns:
        0 to 1 by component, unless the encoder boasts: what it reports is taken as it is, and may be more than all.
    """
    parts = {name: max(amount, 0.0) for name, amount in point.reported if name not in (CONTAINER, UNTOLD)}
    parts[CONTAINER] = point.bytes - sum(point.frame_bytes) if point.frame_bytes else 0
    parts[UNTOLD] = max(0.0, point.bytes - sum(parts.values()))
    return {name: amount / point.bytes for name, amount in parts.items()}


def rate_kbps(size_bytes: int, frames: int, fps: float) -> float:
    """Return kilobits (1000 bits) a second of a file that holds `frames` frames."""
    return size_bytes * 8 * fps / frames / 1000


@dataclass(frozen=True)
class RDCurve:
    """Rate (kbps) and PSNR (dB), or another metric in dB, of one clip at several QPs, sorted by rising rate."""

    label: str
    rates_kbps: tuple[float, ...]
    psnr_db: tuple[float, ...]
    metric: str = "PSNR"

    @classmethod
    def of(cls, label: str, points: Iterable[RDPoint], metric: str = "psnr_db") -> "RDCurve":
        """Return the curve through `points` by the named metric of RDPoint (the overall PSNR decides).

        SSIM and MS-SSIM count in decibels: -10 log10(1 - s).
        """
        pairs = sorted((point.rate_kbps, _decibels(metric, getattr(point, metric))) for point in points)
        rates, values = tuple(rate for rate, _ in pairs), tuple(value for _, value in pairs)
        return cls(label, rates, values, METRICS.get(metric, metric))

    def check(self) -> None:
        """Raise RDError unless there are four or more points, finite, positive, and both coordinates rise."""
        if len(self.rates_kbps) < MIN_POINTS:
            raise RDError(f"{self.label} has {len(self.rates_kbps)} rate points, BD-rate needs at least {MIN_POINTS}")
        self.check_points()

    def check_points(self) -> None:
        """Raise RDError unless the points, however few, are finite, positive, and rise in both coordinates.

        A curve that fails here fails with any further points too.
        """
        if not self.rates_kbps:
            return
        values = np.array([self.rates_kbps, self.psnr_db])
        name = self.metric
        if np.isnan(values).any():
            raise RDError(f"{self.label} has a point without {name}: measured before there was one, or a small clip")
        if not np.isfinite(values).all():
            raise RDError(f"{self.label} has a lossless point: its {name} is infinite, no average over {name} exists")
        if values[0, 0] <= 0:
            raise RDError(f"{self.label} has a point of {values[0, 0]:g} kbps, a rate must be above 0")
        if (np.diff(values, axis=1) <= 0).any():
            shown = ", ".join(f"{rate:.1f} kbps {psnr:.2f} dB" for rate, psnr in values.T)
            raise RDError(f"{self.label} does not rise from point to point: {shown}")

    def rate_at(self, psnr_db: float) -> float:
        """Return the rate in kbps that a PSNR takes, on the curve that BD-rate integrates; nothing is extrapolated.

        Raises:
            RDError: the points make no curve, or the PSNR lies beyond them.
        """
        self.check()
        _inside(self, psnr_db, self.psnr_db, "dB")
        return float(np.exp(self.ln_rate(psnr_db)))

    def psnr_at(self, rate_kbps: float) -> float:
        """Return the PSNR in dB at a rate: where the same curve has it; nothing is extrapolated.

        Raises:
            RDError: the points make no curve, or the rate lies beyond them.
        """
        self.check()
        _inside(self, rate_kbps, self.rates_kbps, "kbps")
        found = self.ln_rate.solve(np.log(rate_kbps), extrapolate=False)
        if len(found):
            return float(found[0])
        ends = (0, -1)  # within its rounding of an end the cubic may have no solution
        return self.psnr_db[min(ends, key=lambda end: abs(self.rates_kbps[end] - rate_kbps))]

    @property
    def ln_rate(self) -> PchipInterpolator:
        """Piecewise cubic ln(rate) over PSNR through the points; it rises as they do."""
        return PchipInterpolator(self.psnr_db, np.log(self.rates_kbps))


def _inside(curve: RDCurve, value: float, values: tuple[float, ...], unit: str) -> None:
    if not values[0] <= value <= values[-1]:
        raise RDError(f"{curve.label} was measured from {values[0]:.2f} to {values[-1]:.2f} {unit}, not at {value:.2f}")


def _decibels(metric: str, value: float | None) -> float:
    if value is None:
        return nan
    if metric not in ("ssim", "ms_ssim"):
        return value
    return -10 * log10(1 - value) if value < 1 else inf


def bd_rate(anchor: RDCurve, test: RDCurve) -> float:
    """Return the average rate change of `test` against `anchor` at equal PSNR.

    Returns:
        Percent; negative is better: -5.0 means 5 % fewer bits for the same PSNR.

    Raises:
        RDError: a curve has fewer than four points or does not rise, or the two share less than half
            of the anchor's PSNR range. Nothing is ever extrapolated.

    Source:
        G. Bjøntegaard, ITU-T VCEG-M33 (2001), with piecewise cubic (PCHIP) interpolation of ln(rate)
        over PSNR as in the JVET and AOM common test conditions.
    """
    anchor.check()
    test.check()
    low = max(anchor.psnr_db[0], test.psnr_db[0])
    high = min(anchor.psnr_db[-1], test.psnr_db[-1])
    span = anchor.psnr_db[-1] - anchor.psnr_db[0]
    if high - low < MIN_COMMON * span:
        raise RDError(
            f"{test.label} spans {test.psnr_db[0]:.2f}-{test.psnr_db[-1]:.2f} dB, "
            f"{anchor.label} {anchor.psnr_db[0]:.2f}-{anchor.psnr_db[-1]:.2f} dB: "
            f"less than half of the latter in common; choose QPs that bring them closer"
        )
    ln_ratio = (_area(test, low, high) - _area(anchor, low, high)) / (high - low)
    return float(np.expm1(ln_ratio) * 100)


def _area(curve: RDCurve, low: float, high: float) -> float:
    """Integrate ln(rate) over PSNR from `low` to `high`."""
    return float(curve.ln_rate.integrate(low, high))


@dataclass(frozen=True)
class Comparison:
    """BD-rate of one clip, or the reason why there is none.

    Attributes:
        bd_rate_pct: percent, negative is better; None where the curves cannot be compared.
        reason: why there is no number; "" where there is one.
    """

    clip: str
    bd_rate_pct: float | None
    reason: str = ""


def compare(anchor: RDCurve, test: RDCurve, clip: str) -> Comparison:
    """Return the BD-rate of `test` against `anchor` on `clip`, or why it cannot be had."""
    try:
        return Comparison(clip, bd_rate(anchor, test))
    except RDError as error:
        return Comparison(clip, None, str(error))
