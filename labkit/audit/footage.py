"""The clips, read again: the very frames that were measured, or why they are not to be had."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from labkit.audit.finding import Finding, failed, proven, stated
from labkit.audit.recorded import Recorded
from labkit.clip import Clip
from labkit.errors import ClipError
from labkit.footage.library import find_clips
from labkit.footage.split import AUTO, NONE, split


@dataclass(frozen=True)
class Footage:
    """Clips of a campaign that were read again.

    Attributes:
        clips: by recorded name, each with the recorded hash.
        missing: why the others are not there, by recorded name.
    """

    clips: Mapping[str, Clip]
    missing: Mapping[str, str]
    findings: tuple[Finding, ...]


def read_footage(recorded: Recorded) -> Footage:
    """Read what the settings name, and find the recorded clips among it."""
    found, trouble = _read(recorded)
    by_hash = {clip.hash: clip for clip in found}
    names = {clip.name: clip for clip in found}
    clips: dict[str, Clip] = {}
    missing: dict[str, str] = {}
    findings = []
    for name, row in recorded.clips.items():
        clip = by_hash.get(row.hash)
        if clip is not None:
            clips[name] = replace(clip, name=name)
            findings += _as_recorded(clip, row)
            continue
        changed = names.get(name)
        missing[name] = f"clip {name} has other frames now" if changed else f"clip {name} is gone: {trouble}"
        if changed:
            told = f"its frames hash to {changed.hash[:12]} now, to {row.hash[:12]} when the campaign began"
            findings.append(failed(f"clip {name}", told))
        else:
            why = trouble or "what the settings name holds no such video any more"
            findings.append(stated(f"clip {name}", f"cannot be read again: {why}"))
    return Footage(clips, missing, tuple(findings))


def _read(recorded: Recorded) -> tuple[list[Clip], str]:
    """Return all clips that can be read, development and held-out ones, and why others cannot."""
    specs, frames = recorded.settings.clips, recorded.settings.frames or None
    held_out = recorded.settings.held_out if recorded.knows("held_out") else (NONE,)
    try:
        both = split(specs, held_out, frames)
    except ClipError as error:
        clips, reasons = [], [str(error)]
        for spec in (*specs, *(spec for spec in held_out if spec not in (AUTO, NONE))):
            with contextlib.suppress(ClipError):  # said above: the first that is missing stands for all
                clips += find_clips([spec], frames)
        return clips, "; ".join(reasons)
    return [*both.development, *both.held_out], ""


def _as_recorded(clip: Clip, row: object) -> list[Finding]:
    told = {
        "width": clip.width,
        "height": clip.height,
        "frames": len(clip),
        "fps": str(clip.fps),
        "matrix": clip.matrix,
    }
    wrong = [f"{key} is {value}, the ledger says {getattr(row, key)}" for key, value in told.items()
             if value != getattr(row, key)]  # fmt: skip
    what = f"clip {clip.name}"
    return [failed(what, line) for line in wrong] or [proven(what, f"{len(clip)} frames with hash {clip.hash[:12]}")]
