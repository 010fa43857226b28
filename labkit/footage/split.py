"""Which clips are tuned to and which are held out, so that a gain can be told from a memory."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np

from labkit.clip import Clip
from labkit.errors import ClipError
from labkit.footage.library import BUILTIN, clips_of, find_clips, is_builtin, named_apart

AUTO, NONE = "auto", "none"

_SHARE = 3
"""One given clip of so many is held out."""
_SCENES, _SEED = ("photo_pan", "shapes"), 101
"""What is held out where too few clips are given: a camera's picture and a drawn one, cheap to make."""
_FLAT = 8
"""A frame none of whose planes spans more than this shows nothing: black leaders may be alike."""


@dataclass(frozen=True)
class Split:
    """Clips of different names; no frame that shows anything is in both lists.

    Attributes:
        development: those that proposers see results of.
        held_out: those that only decide; empty if none were wanted.
    """

    development: list[Clip]
    held_out: list[Clip]


def split(specs: Sequence[str], held_out: Sequence[str] = (AUTO,), frames: int | None = None) -> Split:
    """Return the clips that `specs` name, apart from those that are held out.

    Args:
        specs: as for `find_clips`.
        held_out: ("auto",), ("none",), or specs of their own. Auto holds a third of the given clips back, the
            first by content hash; where fewer than three are given, built-in scenes with other seeds.
        frames: take at most so many of each; None for all.

    Raises:
        ClipError: a clip cannot be found or read, or two that should be apart share a frame. A copy that was
            scaled, cropped or coded again has no frame in common, and is not found.
    """
    if not held_out or (len(held_out) > 1 and {AUTO, NONE} & set(held_out)):
        raise ClipError(f"held_out is {list(held_out)}; give '{AUTO}' alone, '{NONE}' alone, or names of clips")
    found = [(clip, is_builtin(spec)) for spec in specs for clip in clips_of(spec, frames)]
    clips = named_apart(clip for clip, _ in found)
    kept: set[str] = set()
    more: list[Clip] = []
    if tuple(held_out) == (AUTO,):
        given = [clip for clip, (_, builtin) in zip(clips, found, strict=True) if not builtin]
        kept = _third(given)
        more = [] if kept else find_clips(_other_scenes(specs), frames)
    elif tuple(held_out) != (NONE,):
        more = find_clips(held_out, frames)
    named = named_apart([*clips, *more])
    development = [clip for clip in named[: len(clips)] if clip.name not in kept]
    apart = [clip for clip in named[: len(clips)] if clip.name in kept] + named[len(clips) :]
    _must_be_apart(development, apart)
    return Split(development, apart)


def _third(given: Sequence[Clip]) -> set[str]:
    """Return the names of a third of the clips: whatever they are called and in whatever order they came."""
    chosen = sorted(given, key=lambda clip: clip.hash)[: len(given) // _SHARE]
    return {clip.name for clip in chosen}


def _other_scenes(specs: Sequence[str]) -> list[str]:
    """Return specs of built-in scenes whose seed nobody asked for."""
    seed = next(seed for seed in count(_SEED) if not any(spec.endswith(f"@{seed}") for spec in specs))
    return [f"{BUILTIN}:{name}@{seed}" for name in _SCENES]


# --- no frame in both -----------------------------------------------------------------------------------


class _Place(NamedTuple):
    clip: Clip
    frame: int
    role: str


def _must_be_apart(development: Sequence[Clip], held_out: Sequence[Clip]) -> None:
    """Raise ClipError if a held-out clip shares a frame with another clip, or is the same video."""
    clips = [(clip, "development") for clip in development] + [(clip, "held-out") for clip in held_out]
    seen: dict[str, _Place] = {}
    for number, (clip, role) in enumerate(clips):
        ours = _places(clip, role)
        if role == "held-out":
            _must_be_new(clip, ours, seen)
            # one that shows nothing but black may share its frames, and is still no other video
            if twin := next((_Place(c, 0, r) for c, r in clips[:number] if c.hash == clip.hash), None):
                raise ClipError(_shared(_Place(clip, 0, role), twin))
        seen = ours | seen


def _must_be_new(clip: Clip, ours: Mapping[str, _Place], seen: Mapping[str, _Place]) -> None:
    for key, place in ours.items():
        if key in seen and not _flat(clip, place.frame):
            raise ClipError(_shared(place, seen[key]))


def _places(clip: Clip, role: str) -> dict[str, _Place]:
    """Return each different frame by its hash, and where it comes first."""
    places: dict[str, _Place] = {}
    for index, row in enumerate(clip.data):
        digest = hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=16)
        places.setdefault(f"{clip.width}x{clip.height} {digest.hexdigest()}", _Place(clip, index, role))
    return places


def _flat(clip: Clip, index: int) -> bool:
    return all(int(plane.max()) - int(plane.min()) <= _FLAT for plane in clip.frame(index))


def _shared(ours: _Place, other: _Place) -> str:
    who = f"held-out clip {ours.clip.name!r} and {other.role} clip {other.clip.name!r} share frames"
    where = f"frame {ours.frame} of the one is frame {other.frame} of the other"
    return f"{who}: {where}; leave one of the two out, or name other clips in held_out"
