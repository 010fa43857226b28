"""Pictures: original, decoded and their difference side by side, as the lab kept them."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from labkit.campaign import Campaign, Generation
from labkit.clip import Clip, Frame
from labkit.errors import LabkitError
from labkit.ledger import Entry
from labkit.rd import RDPoint
from labkit.view.fragment import Fragment, image, note, text
from labkit.view.plots import candidate_label

Picture = NDArray[np.uint8]
"""What is shown: uint8, RGB (H, W, 3) or grey (H, W)."""

GAIN = 8
"""A luma error of 16 is black or white in the difference; 0 is mid-grey."""

MAX_WIDTH = 320
"""Of one picture of the three, in samples; larger ones are shown smaller."""

_LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
"""Weights of red and blue in luma, ITU-R BT.601 and BT.709."""

Embed = Callable[[Picture, str], Markup]
"""Gives the HTML for a picture and its description."""


@dataclass(frozen=True)
class KeptFrame:
    """One decoded frame that an evaluation left, beside its original.

    Attributes:
        index: of the frame in its clip, from 0.
        psnr_y_db: luma PSNR of this frame; inf if it is lossless.
        point: the rate point that it belongs to.
    """

    clip: str
    qp: int
    index: int
    original: Picture
    decoded: Picture
    difference: Picture
    psnr_y_db: float
    point: RDPoint


def show_frames(campaign: Campaign, shown: Entry | Generation | None, embed: Embed | None = None) -> Fragment:
    """Return original, decoded and difference for each clip, of one candidate or of all of a generation.

    What is missing is said in one line; None (a champion that is not there yet) is missing, too.
    """
    if shown is None:
        return Fragment(note("There is no champion yet, so there are no frames of it."), "no frames")
    if isinstance(shown, Entry):
        return _entry_frames(campaign, shown, embed or _inline)
    if not shown.entries:
        return Fragment(note(f"Generation {shown.number} has no candidate, so there are no frames of it."), "no frames")
    parts = [_entry_frames(campaign, entry, embed or _inline).html for entry in shown.entries]
    return Fragment(Markup("").join(parts), f"frames of generation {shown.number}")


def _entry_frames(campaign: Campaign, entry: Entry, embed: Embed) -> Fragment:
    frames, missing = kept_frames(campaign, entry)
    rows = Markup("").join(_row(frame, candidate_label(entry), embed) for frame in frames)
    notes = Markup("").join(map(note, missing))
    return Fragment(Markup("<div>{}{}</div>").format(rows, notes), f"frames of {candidate_label(entry)}")


def kept_frames(campaign: Campaign, entry: Entry) -> tuple[list[KeptFrame], list[str]]:
    """Return the pictures kept of a candidate, and what is missing, one sentence each."""
    if entry.evaluation is None or entry.evaluation.failure is not None:
        return [], [f"{candidate_label(entry)} has no pictures: it was not measured."]
    keep = campaign.keep(entry.number)
    if not keep.folder.is_dir():
        why = "they stay for adopted versions and for the latest generation"
        return [], [f"{candidate_label(entry)}: no pictures are kept of it any more ({why})."]
    try:
        clips = {clip.name: clip for clip in campaign.clips}
    except LabkitError as error:
        return [], [f"No pictures, since the clips cannot be read: {error}"]
    found = [
        _kept(keep.path(point.clip, point.qp, ".npz"), clips.get(point.clip), point)
        for point in entry.evaluation.points
        if point.qp == keep.picture_qp
    ]
    return [f for f in found if isinstance(f, KeptFrame)], [f for f in found if isinstance(f, str)]


def _kept(path: Path, clip: Clip | None, point: RDPoint) -> KeptFrame | str:
    if clip is None or clip.hash != point.clip_hash:
        return f"{point.clip}: no picture, since the clip is not the one that was measured."
    picture = read_picture(path)
    if isinstance(picture, str):
        return f"{point.clip}: no picture, {picture}."
    decoded, index = picture
    original = clip.frame(index)
    return KeptFrame(
        clip=point.clip,
        qp=point.qp,
        index=index,
        original=to_rgb(original, clip.matrix),
        decoded=to_rgb(decoded, clip.matrix),
        difference=difference(original[0], decoded[0]),
        psnr_y_db=point.frame_psnr_y_db[index],
        point=point,
    )


def read_picture(path: Path) -> tuple[Frame, int] | str:
    """Return the planes of the one frame that an evaluation left and its index, or why it cannot be read."""
    try:
        with path.open("rb") as file, np.load(file) as kept:  # a damaged file would stay open otherwise
            return (kept["y"], kept["u"], kept["v"]), int(kept["index"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        return f"{path.name} cannot be read ({type(error).__name__})"


def to_rgb(frame: Frame, matrix: str) -> Picture:
    """Return a limited-range 4:2:0 frame as RGB, to be looked at and never to be measured.

    Source:
        ITU-R BT.601-7 and BT.709-6: luma 16-235, chroma 16-240.
    """
    red, blue = _LUMA_WEIGHTS[matrix]
    y, u, v = frame
    size = (y.shape[1], y.shape[0])
    luma = (y.astype(np.float32) - 16) / 219
    cb, cr = (
        (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR).astype(np.float32) - 128) / 224 for plane in (u, v)
    )
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.rint(np.stack([r, g, b], axis=-1) * 255), 0, 255).astype(np.uint8)


def difference(original: NDArray[np.uint8], decoded: NDArray[np.uint8], gain: int = GAIN) -> Picture:
    """Return 128 + gain * (decoded - original) of the luma: mid-grey where nothing was lost."""
    error = decoded.astype(np.int16) - original  # subtracting uint8 would wrap around
    shown: Picture = np.clip(128 + gain * error, 0, 255).astype(np.uint8)
    return shown


def to_png(picture: Picture, max_width: int) -> tuple[bytes, int]:
    """Return a picture as a PNG file and the width in it; wider ones are averaged down."""
    width = min(picture.shape[1], max_width)
    if width < picture.shape[1]:
        height = max(1, round(picture.shape[0] * width / picture.shape[1]))
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)  # type: ignore[assignment]
    _, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return data.tobytes(), width


def _row(frame: KeptFrame, label: str, embed: Embed) -> Markup:
    place = f"{frame.clip}, frame {frame.index}"
    shown = f"{frame.psnr_y_db:.2f} dB PSNR-Y" if np.isfinite(frame.psnr_y_db) else "lossless"
    parts = (
        (frame.original, f"{place}: original"),
        (frame.decoded, f"{label}, QP {frame.qp}: {shown}, clip {frame.point.rate_kbps:,.0f} kbps"),
        (frame.difference, f"luma difference × {GAIN}, grey is none"),
    )
    return Markup('<div style="margin:6px 0">{}</div>').format(_figures(parts, embed))


def _figures(parts: Sequence[tuple[Picture, str]], embed: Embed) -> Markup:
    figure = '<div style="display:inline-block;width:32%;min-width:180px;margin-right:1%;vertical-align:top">'
    pattern = Markup(figure + '{}<div style="font-size:12px;text-align:left;margin-bottom:4px">{}</div></div>')
    return Markup("").join(pattern.format(embed(picture, caption), text(caption)) for picture, caption in parts)


def _inline(picture: Picture, description: str) -> Markup:
    png, width = to_png(picture, MAX_WIDTH)
    return image(png, description, width)
