"""Rate-distortion curves whose points tell what was measured, drawn by the browser."""

from collections.abc import Sequence
from math import isfinite, isinf
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from labkit.jail.wire import printable
from labkit.rd import RDPoint
from labkit.view.plots import Curves, Style, quality_db, quality_label, styles_of

_SHAPES = {
    "o": "circle", ".": "dot", "x": "cross", "D": "diamond", "s": "square", "v": "down", "^": "up", "P": "square",
    "X": "diamond", "<": "up", ">": "down", "h": "circle", "*": "diamond",
}  # fmt: skip
_DASHES = {"-": "", "--": "7 4", ":": "2 4", "-.": "8 3 2 3"}


class HoverCurves(anywidget.AnyWidget):
    """A chart of rate against quality; `chart` is what `hover_data` returns."""

    _esm = Path(__file__).with_name("curves.js").read_text(encoding="utf-8")
    chart = traitlets.Dict().tag(sync=True)


def hover_data(curves: Curves, clip: str, metric: str) -> dict[str, Any]:
    """Return what the browser draws: finite numbers, and text with everything invisible made visible.

    Points that lie on no scale (lossless ones, ones without this metric) are told in `notes`.
    """
    series, notes = [], []
    for label, style in styles_of(curves).items():
        points = curves[label].get(clip, ())
        series.append(_series(points, style, metric))
        notes += _missing(label, points, clip, metric)
    return {
        "title": printable(f"rate and {quality_label(metric)} on {clip}", 200),
        "x_label": "rate (kbps, log scale)",
        "y_label": quality_label(metric),
        "series": series,
        "notes": [printable(line, 300) for line in notes or ([] if curves else ["Pick at least one coder."])],
    }


def _series(points: Sequence[RDPoint], style: Style, metric: str) -> dict[str, Any]:
    placed = [(point, quality_db(point, metric)) for point in sorted(points, key=lambda point: point.rate_kbps)]
    return {
        "label": printable(style.label, 60),
        "colour": style.colour,
        "width": style.width,
        "shape": _SHAPES[style.marker],
        "dash": _DASHES[style.line],
        "points": [
            {"x": point.rate_kbps, "y": quality, "qp": point.qp, "lines": _lines(style.label, point)}
            for point, quality in placed
            if isfinite(quality)
        ],
    }


def _lines(label: str, point: RDPoint) -> list[str]:
    """Return what a point tells, line by line."""
    ms_ssim = "" if point.ms_ssim is None else f", MS-SSIM {point.ms_ssim:.4f}"
    return [
        printable(
            f"{label}, {'QP' if label.startswith(('champion', 'version', 'candidate')) else 'CRF'} {point.qp}", 100
        ),
        f"{point.rate_kbps:,.1f} kbps, {point.bytes:,} bytes",
        f"PSNR {point.psnr_db:.2f} dB, Y {point.psnr_y_db:.2f}, YUV {point.psnr_yuv_db:.2f} dB",
        f"SSIM {point.ssim:.4f}{ms_ssim}",
        f"encoded in {point.encode_s:.3f} s, decoded in {point.decode_s:.3f} s",
    ]


def _missing(label: str, points: Sequence[RDPoint], clip: str, metric: str) -> list[str]:
    if not points:
        return [f"{label} was not measured on {clip}."]
    lossless = [point.rate_kbps for point in points if isinf(quality_db(point, metric))]
    unknown = sum(getattr(point, metric) is None for point in points)
    found = [f"{label} is lossless at {min(lossless):,.1f} kbps: beyond any scale."] if lossless else []
    return found + ([f"{label} has {unknown} points without {quality_label(metric)}."] if unknown else [])
