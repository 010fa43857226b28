"""The frame viewer: what a person picks in the browser, and what the lab answers with.

The browser asks (`answer`), the lab tells: a choice is answered with rates, captions and strips from the ledger at
once, a picture when it is decoded. Decoding runs in a thread, so that the notebook stays usable meanwhile.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any

from labkit.anchors import REFERENCE
from labkit.campaign import Campaign
from labkit.clip import Clip, Frame
from labkit.jail.wire import printable
from labkit.ledger import Entry
from labkit.rd import RDPoint
from labkit.view.decoded import Coder, FrameShelf, at_rate, coders, one_line, real_encoders, worst_blocks, worst_frames
from labkit.view.fragment import note
from labkit.view.frames import to_png, to_rgb
from labkit.view.lane import Lane
from labkit.view.plots import COLOURS
from labkit.view.presence import attended

if TYPE_CHECKING:
    from labkit.view.widget import FrameWidget

Told = tuple[dict[str, Any], list[bytes]]
"""What is told to the browser: values that JSON can hold, and buffers."""

WORST = 8
"""So many frames and blocks are listed."""
MOST_LOADED = 3
"""Coders that stay loaded while a person looks: the version, its rival and the real encoder."""
NEAR = 0.1
"""Rates that differ by more than this share are not called nearly equal."""
ORIGINAL = "original"
_FALLBACK = (
    "The frame viewer answers where a person sits: run this notebook in JupyterLab to pick, wipe and zoom; "
    "view.show_frames gives still pictures anywhere."
)


def explore_frames(campaign: Campaign, shown: Entry | None = None) -> "FrameViewer":
    """Return a viewer of frames: original, any version, its rival and a real encoder at nearly equal rate.

    Args:
        shown: the candidate to begin with; None for the champion.
    """
    return FrameViewer(campaign, shown)


class FrameViewer:
    """Answers one viewer in a browser; as the value of a cell it shows that viewer, or in one line why there is none.

    Attributes:
        tell: takes what is told unasked, when something was decoded; it is called from another thread.
    """

    def __init__(self, campaign: Campaign, shown: Entry | None = None) -> None:
        self.campaign = campaign
        self.shelf = FrameShelf(campaign)
        self.tell: Callable[[Told], None] = lambda told: None
        self._shown = shown
        self._sources: dict[str, tuple[Coder, RDPoint]] = {}
        self._lanes: OrderedDict[str, Lane] = OrderedDict()

    # --- how it shows itself ---------------------------------------------------------------------------------

    @cached_property
    def widget(self) -> "FrameWidget":
        """The viewer as a widget, for a front end that can draw one."""
        from labkit.view.widget import FrameWidget  # a quarter of a second that no executed report needs

        return FrameWidget(self)

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, Any]:
        bundle = {"text/plain": repr(self), "text/html": str(note(_FALLBACK))}
        return bundle | (self.widget.view() if attended() else {})

    def __repr__(self) -> str:
        return f"<frames of {printable(self.campaign.folder.name)}>"

    # --- what is asked ----------------------------------------------------------------------------------------

    def answer(self, asked: Mapping[str, Any]) -> Told:
        """Return the answer to one message of the browser.

        Args:
            asked: `{"ask": "menu"}`, `{"ask": "choice", "clip": ..., ...}` or `{"ask": "picture", "key": ..., ...}`.

        Raises:
            ValueError: it asks for something else.
        """
        match asked.get("ask"):
            case "menu":
                return {**self.menu(), "number": asked.get("number", 0)}, []
            case "choice":
                return {**self.choice(asked), "number": asked.get("number", 0)}, []
            case "picture":
                return self.picture(str(asked["key"]), int(asked["index"]))
        raise ValueError(f"the viewer is asked for {asked.get('ask')!r}; it knows menu, choice and picture")

    def menu(self) -> dict[str, Any]:
        """Return what there is to choose from as the campaign stands now, and what to begin with."""
        found, anchors = coders(self.campaign), real_encoders(self.campaign)
        clips = list(self.campaign.ledger.clips())
        return {
            "tell": "menu",
            "clips": [{"key": name, "label": one_line(name)} for name in clips],
            "coders": [_option(coder) for coder in found],
            "anchors": [_option(coder) for coder in anchors],
            "start": self._start(found, anchors),
            "line": "" if found else "No candidate is measured yet: the originals are all there is.",
        }

    def _start(self, found: Sequence[Coder], anchors: Sequence[Coder]) -> dict[str, Any]:
        shown = str(self._shown.number) if self._shown else None
        champion = next((c.key for c in found if c.label.startswith("champion")), None)
        first = next((c.key for c in found if c.key == shown), champion)
        others = [c.key for c in found if c.key != first]
        rival = champion if champion in others else next(iter(others), "")
        names = [c.key for c in anchors]
        qps = self.campaign.settings.qps
        return {
            "coder": first or "", "against": rival, "qp": sorted(qps)[len(qps) // 2],
            "anchor": REFERENCE if REFERENCE in names else next(iter(names), ""),
        }  # fmt: skip

    def choice(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the panels for a clip, a coder and a QP: the others at the nearest rate that they were measured at."""
        clip = str(asked["clip"])
        for lane in self._lanes.values():
            lane.clear()  # what nobody looks at any more need not be decoded
        known = {coder.key: coder for coder in (*coders(self.campaign), *real_encoders(self.campaign))}
        coder = known.get(str(asked["coder"]))
        point = min(coder.on(clip), key=lambda p: abs(p.qp - int(asked["qp"])), default=None) if coder else None
        panels = [self._original(clip)]
        if coder and point:
            panels.append(self._panel("coder", coder, point, None))
            for role in ("against", "anchor"):
                other = known.get(str(asked[role]))
                if other and other.key != coder.key and (near := at_rate(other.on(clip), point.rate_kbps)):
                    panels.append(self._panel(role, other, near, (coder, point)))
        row = self.campaign.ledger.clips()[clip]
        return {
            "tell": "choice",
            "clip": {"width": row.width, "height": row.height, "frames": row.frames, "fps": _fps(row.fps)},
            "qps": [p.qp for p in coder.on(clip)] if coder else [],
            "qp": point.qp if point else None,
            "panels": panels,
            "worst": [{"frame": i, "db": _db(point.frame_psnr_y_db[i])} for i in worst_frames(point, WORST)]
            if point else [],
            "line": "" if point or not coder else f"{coder.label} was not measured on this clip.",
        }  # fmt: skip

    def _original(self, clip: str) -> dict[str, Any]:
        found = self.shelf.clip(clip)
        return {
            "role": ORIGINAL, "key": f"{ORIGINAL} {clip}", "label": ORIGINAL, "colour": "#7f7f7f",
            "caption": one_line(clip), "missing": one_line(found) if isinstance(found, str) else "",
            "psnr": [], "bits": [], "bytes": 0,
        }  # fmt: skip

    def _panel(self, role: str, coder: Coder, point: RDPoint, to: tuple[Coder, RDPoint] | None) -> dict[str, Any]:
        key = f"{coder.key} {point.qp} {point.clip}"
        self._sources[key] = (coder, point)
        ready = self.shelf.ready(coder, point)
        return {
            "role": role, "key": key, "label": coder.label, "colour": _colour(coder),
            "caption": caption(coder, point, to), "missing": one_line(ready) if isinstance(ready, str) else "",
            "psnr": [_db(value) for value in point.frame_psnr_y_db],
            "bits": [8 * size for size in point.frame_bytes], "bytes": point.bytes,
        }  # fmt: skip

    # --- pictures ---------------------------------------------------------------------------------------------

    def picture(self, key: str, index: int) -> Told:
        """Return one frame: a PNG in RGB and the luma plane; or that it has to be waited for, or is missing."""
        about = {"key": key, "index": index}
        if key.startswith(f"{ORIGINAL} "):
            clip = self.shelf.clip(key.removeprefix(f"{ORIGINAL} "))
            if isinstance(clip, str):
                return {"tell": "missing", **about, "line": one_line(clip)}, []
            return _framed(about, clip.frame(index), clip.matrix)
        coder, point = self._sources[key]
        matrix = self.campaign.ledger.clips()[point.clip].matrix
        found = self.shelf.ready(coder, point)
        if found is None:
            self._lane(coder).put(key)
            kept = self.shelf.picture(coder, point, index)
            return _framed(about, kept, matrix) if kept else ({"tell": "waiting", **about}, [])
        if isinstance(found, str):
            return {"tell": "missing", **about, "line": one_line(found)}, []
        return _framed(about, found.frames[index], matrix)

    def _lane(self, coder: Coder) -> Lane:
        """Return where a coder's frames are decoded: one whose program compiles for long keeps no other waiting."""
        if coder.key not in self._lanes:
            self._lanes[coder.key] = Lane(self._decode_and_tell, lambda: self.shelf.rest(coder))
        self._lanes.move_to_end(coder.key)
        for lane in list(self._lanes.values())[:-MOST_LOADED]:
            lane.leave()
        return self._lanes[coder.key]

    def close(self) -> None:
        """End the candidates' processes once what is being decoded is done; they start again when asked for."""
        for lane in self._lanes.values():
            lane.clear()
            lane.leave()

    def _decode_and_tell(self, key: str) -> None:
        self.tell(self.decode(key))

    def decode(self, key: str) -> Told:
        """Decode a panel's frames now; return what is to be told of it: its worst blocks, or why there are none."""
        coder, point = self._sources[key]
        found = self.shelf.decode(coder, point)
        if isinstance(found, str):
            return {"tell": "missing", "key": key, "index": 0, "line": one_line(found)}, []
        clip = self.shelf.clip(point.clip)
        # without the original, or with another one, there is no error to be found
        blocks = []
        if isinstance(clip, Clip) and clip.hash == point.clip_hash:
            blocks = worst_blocks(clip, found.frames, WORST)
        remark = one_line(found.remark)
        return {"tell": "decoded", "key": key, "remark": remark, "blocks": [asdict(block) for block in blocks]}, []


def caption(coder: Coder, point: RDPoint, to: tuple[Coder, RDPoint] | None) -> str:
    """Return what stands under a picture: the rate point's figures, and how near its rate is to the one it is set to.

    Args:
        to: the coder and point whose rate was sought; None for that one itself.
    """
    setting = "QP" if coder.entry else "CRF"
    rate = f"{point.rate_kbps:,.1f} kbps"
    if to:
        other, asked = to
        more = point.rate_kbps / asked.rate_kbps - 1
        far = "" if abs(more) <= NEAR else "; no nearer one was recorded"
        rate += f" ({100 * more:+.1f} % against {other.label}'s {asked.rate_kbps:,.1f}{far})"
    shown = f"PSNR-Y {point.psnr_y_db:.2f} dB" if isfinite(point.psnr_y_db) else "luma lossless"
    return f"{setting} {point.qp} · {rate} · {point.bytes:,} bytes · {shown}"


def _option(coder: Coder) -> dict[str, Any]:
    return {"key": coder.key, "label": coder.label}


def _colour(coder: Coder) -> str:
    role = "champion" if coder.label.startswith("champion") else coder.key if coder.entry is None else "candidate"
    if coder.entry and coder.entry.version == 0 and role != "champion":
        role = "version 0"
    return COLOURS.get(role, COLOURS["candidate"])


def _db(value: float) -> float | None:
    """Return decibels as JSON can hold them: None for lossless."""
    return round(value, 3) if isfinite(value) else None


def _fps(text: str) -> float:
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)


def _framed(about: dict[str, Any], frame: Frame, matrix: str) -> Told:
    png, width = to_png(to_rgb(frame, matrix), frame[0].shape[1])
    return {"tell": "picture", **about, "width": width, "height": frame[0].shape[0]}, [png, frame[0].tobytes()]
