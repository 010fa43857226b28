"""Frames of versions, challengers and real encoders: decoded when asked for, once, and kept in memory."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import cv2
import numpy as np

from labkit import anchors
from labkit.audit.containers import read_recorded
from labkit.campaign import Campaign
from labkit.candidate import Failure
from labkit.clip import Clip, Frame, Plane
from labkit.errors import AnchorError, LabkitError
from labkit.jail import Nursery
from labkit.jail.wire import printable
from labkit.ledger import GOAL, Entry
from labkit.metrics import BLOCK, PEAK_8_BIT, frame_hash
from labkit.rd import RDPoint
from labkit.view.frames import read_picture

MOST_BYTES = 512 << 20
"""Of decoded frames that are kept; beyond it the ones used longest ago go, and are decoded again when asked for."""


@dataclass(frozen=True)
class Coder:
    """What coded a clip: a version, another candidate, or a real encoder.

    Attributes:
        key: one word for it: "4" for entry 4, "x265-medium" for an anchor.
        label: what people call it: "champion v4", "candidate 9".
        entry: None for an anchor.
        points: its recorded rate points on all development clips.
    """

    key: str
    label: str
    entry: Entry | None
    points: tuple[RDPoint, ...]

    def on(self, clip: str) -> list[RDPoint]:
        """Return its points on one clip, by falling rate."""
        return sorted((p for p in self.points if p.clip == clip), key=lambda p: -p.rate_kbps)


@dataclass(frozen=True)
class Decoded:
    """The frames of one rate point, and what is to be said of them ("" if they are those that were measured)."""

    frames: tuple[Frame, ...]
    remark: str = ""

    @property
    def bytes(self) -> int:
        """Size in memory."""
        return sum(plane.nbytes for frame in self.frames for plane in frame)


@dataclass(frozen=True)
class Block:
    """One 16x16 block of one frame; x and y of its upper left luma sample."""

    frame: int
    x: int
    y: int
    psnr_y_db: float


# --- who coded, and at which rate ---------------------------------------------------------------------------


def coders(campaign: Campaign) -> list[Coder]:
    """Return the versions and every other candidate whose bitstreams are kept, the newest first."""
    entries = [entry for entry in campaign.ledger.entries() if entry.evaluation and entry.evaluation.points]
    newest = max((entry.version for entry in entries if entry.version is not None), default=None)
    return [
        Coder(str(entry.number), coder_label(entry, newest), entry, entry.evaluation.points if entry.evaluation else ())
        for entry in reversed(entries)
        if entry.version is not None or campaign.keep(entry.number).folder.is_dir()
    ]


def coder_label(entry: Entry, newest: int | None) -> str:
    """Return "champion v4" for the newest version, "v3" for another, "candidate 9" for what was not adopted."""
    if entry.version is None:
        return f"candidate {entry.number}"
    return f"champion v{entry.version}" if entry.version == newest else f"v{entry.version}"


def real_encoders(campaign: Campaign) -> list[Coder]:
    """Return the recorded anchors with all their points, those beyond the curves for the goal's sake too."""
    found: dict[str, dict[tuple[str, int], RDPoint]] = {}
    for by_name in (campaign.ledger.anchors(), campaign.ledger.anchors(GOAL)):
        for name, by_clip in by_name.items():
            for points in by_clip.values():
                found.setdefault(name, {}).update({(p.clip, p.qp): p for p in points})
    return [Coder(name, name, None, tuple(points.values())) for name, points in found.items()]


def at_rate(points: Iterable[RDPoint], rate_kbps: float) -> RDPoint | None:
    """Return the point whose rate is nearest by ratio: half and double are as far; None if there is no point."""
    return min(points, key=lambda point: abs(log(point.rate_kbps / rate_kbps)), default=None)


# --- frames ---------------------------------------------------------------------------------------------------


class FrameShelf:
    """The frames of a campaign's clips and rate points; each is read or decoded once, and only when asked for."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self._kept: OrderedDict[tuple[str, str, int], Decoded] = OrderedDict()
        self._nurseries: dict[int, Nursery] = {}
        self._faults: dict[tuple[str, str, int], str] = {}

    def clip(self, name: str) -> Clip | str:
        """Return a development clip, or why it cannot be shown."""
        try:
            return next(clip for clip in self.campaign.clips if clip.name == name)
        except LabkitError as error:
            return f"the original cannot be read: {error}"
        except StopIteration:
            return f"the original cannot be read: no clip of this campaign is called {name!r}"

    def ready(self, coder: Coder, point: RDPoint) -> Decoded | str | None:
        """Return what was decoded before, or why nothing was; None if it was never tried."""
        key = (coder.key, point.clip, point.qp)
        return self._kept.get(key) or self._faults.get(key)

    def picture(self, coder: Coder, point: RDPoint, index: int) -> Frame | None:
        """Return a frame that needs no decoding: the one that the evaluation left at one QP; None for any other."""
        keep = self.campaign.keep(coder.entry.number) if coder.entry else None
        if keep is None or point.qp != keep.picture_qp:
            return None
        path = keep.path(point.clip, point.qp, ".npz")
        found = read_picture(path) if path.exists() else ""
        return found[0] if not isinstance(found, str) and found[1] == index else None

    def rest(self, coder: Coder) -> None:
        """End a candidate's processes, which wait for more to decode; the next frames of it load it anew."""
        nursery = self._nurseries.pop(coder.entry.number, None) if coder.entry else None
        if nursery:
            nursery.close()

    def decode(self, coder: Coder, point: RDPoint) -> Decoded | str:
        """Return the frames of a rate point, or in one line why they cannot be had."""
        known = self.ready(coder, point)
        if known is None:
            try:
                known = self._anchor(coder.key, point) if coder.entry is None else self._version(coder.entry, point)
            except LabkitError as error:
                known = f"{coder.label} cannot be decoded here: {error}"
            self._remember((coder.key, point.clip, point.qp), known)
        return known

    def _remember(self, key: tuple[str, str, int], found: Decoded | str) -> None:
        if isinstance(found, str):
            self._faults[key] = found
            return
        self._kept[key] = found
        while len(self._kept) > 1 and sum(one.bytes for one in self._kept.values()) > MOST_BYTES:
            self._kept.popitem(last=False)

    def _version(self, entry: Entry, point: RDPoint) -> Decoded | str:
        """Decode a kept container behind the campaign's wall, with the source that made it."""
        path = self.campaign.keep(entry.number).path(point.clip, point.qp, ".lkv")
        if not path.is_file():
            return f"{_place(path)} is not kept: the figures stand, the pictures are gone"
        try:
            container = read_recorded(path, point)
        except OSError as error:
            return f"{_place(path)} cannot be read: {error.strerror}"
        if isinstance(container, str):
            return f"{_place(path)} is not what was measured: it {container}"
        frames: list[Frame] = []
        nursery = self._nursery(entry)
        outcome = nursery.failure or nursery.decode(container, lambda _, frame: frames.append(frame), point.clip)
        if isinstance(outcome, Failure):
            self._nurseries.pop(entry.number).close()  # such a nursery runs nothing more
            return f"it was decoded before and fails now: {outcome.kind}: {outcome.detail.splitlines()[0]}"
        return Decoded(tuple(frames), _remark(frames, point))

    def _nursery(self, entry: Entry) -> Nursery:
        """Return where a candidate is loaded: loading may take long (it compiles), decoding one more clip does not."""
        if entry.number not in self._nurseries:
            limits, level = self.campaign.settings.limits, self.campaign.wall.level
            self._nurseries[entry.number] = Nursery(entry.candidate, limits, level)
        return self._nurseries[entry.number]

    def _anchor(self, name: str, point: RDPoint) -> Decoded | str:
        """Encode a point of a real encoder again: its streams are not kept, only what was measured of them."""
        clip = self.clip(point.clip)
        if isinstance(clip, str):
            return f"{name} cannot be encoded again: {clip}"
        if clip.hash != point.clip_hash:
            return f"{name} cannot be encoded again: the clip is not the one that was measured"
        spec = anchors.find(name)
        stream = anchors.encode(spec, clip, point.qp)
        frames = list(anchors.decode(spec, stream, clip.width, clip.height))
        if len(frames) != len(clip):
            raise AnchorError(f"{name}: {len(frames)} frames came out of the decoder, {len(clip)} went in")
        if stream.sha256 != point.bitstream_sha256:
            remark = f"encoded again by another build: {stream.size:,} bytes, recorded were {point.bytes:,}"
            return Decoded(tuple(frames), remark)
        return Decoded(tuple(frames), _remark(frames, point))


def _remark(frames: Sequence[Frame], point: RDPoint) -> str:
    """Return "" if these frames are the measured ones, sample by sample."""
    if not point.frame_hashes or tuple(map(frame_hash, frames)) == point.frame_hashes:
        return ""
    return "decoded here to other samples than those that were measured"


def _place(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def one_line(text: str) -> str:
    """Return a text that came from anywhere as one line that is fit to be shown."""
    return printable(" ".join(text.split()), 400)


# --- where it is worst ----------------------------------------------------------------------------------------


def block_errors(original: Plane, decoded: Plane) -> tuple[list[int], list[int], np.ndarray]:
    """Return the luma error of every 16x16 block of a frame.

    Blocks lie as those of `RDPoint.worst_block_db`: from the top left, the last one moved inwards to the edge.

    Returns:
        y and x of the blocks' upper edges and left edges, and the mean squared errors, float64 (rows, columns).
    """
    squared = np.square(original.astype(np.int16) - decoded, dtype=np.float64)
    height, width = (min(BLOCK, side) for side in squared.shape)
    tops, lefts = (_starts(side, min(BLOCK, side)) for side in squared.shape)
    total = cv2.integral(squared, sdepth=cv2.CV_64F)
    lower, right = [top + height for top in tops], [left + width for left in lefts]
    sums = (
        total[np.ix_(lower, right)] - total[np.ix_(tops, right)]
        - total[np.ix_(lower, lefts)] + total[np.ix_(tops, lefts)]
    )  # fmt: skip
    return tops, lefts, sums / (height * width)


def _starts(side: int, block: int) -> list[int]:
    whole = list(range(0, side - block + 1, block))
    return whole if side % block == 0 else [*whole, side - block]


def worst_blocks(clip: Clip, frames: Sequence[Frame], count: int) -> list[Block]:
    """Return the blocks with the lowest PSNR-Y, the worst first: of each place the frame in which it is worst."""
    errors = []
    for index, frame in enumerate(frames):
        tops, lefts, mse = block_errors(clip.frame(index)[0], frame[0])
        errors.append(mse)
    stack = np.stack(errors)
    when, worst = stack.argmax(axis=0), stack.max(axis=0)
    order = np.argsort(-worst, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(order, worst.shape)
    return [
        Block(int(when[r, c]), lefts[c], tops[r], float(10 * np.log10(PEAK_8_BIT**2 / worst[r, c])))
        for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
        if worst[r, c] > 0
    ]


def worst_frames(point: RDPoint, count: int) -> list[int]:
    """Return the frames with the lowest recorded PSNR-Y, the worst first."""
    return sorted(range(len(point.frame_psnr_y_db)), key=lambda index: point.frame_psnr_y_db[index])[:count]
