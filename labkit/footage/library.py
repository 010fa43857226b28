"""Find clips by name, path, folder or URL; list them; keep imported ones in the user's library."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import platformdirs
from av.video.reformatter import ColorRange, Colorspace

from labkit.clip import Clip
from labkit.errors import ClipError
from labkit.footage.index import INDEX, Entry, index_entries, index_entry
from labkit.footage.reading import is_url, open_video, read_video, stem
from labkit.footage.synthetic import FPS, FRAMES, HEIGHT, SYNTHETIC, WIDTH, kept_synthetic_clip
from labkit.footage.timing import expected_frames, frame_rate
from labkit.footage.y4m import appears_whole

BUILTIN = "builtin"
LIBRARY = "library"
FOLDER_VARIABLE = "LABKIT_CLIPS"
"""Environment variable that names a further folder of clips."""

_ENDINGS = ".mp4 .m4v .mov .mkv .webm .avi .y4m .gif .ts .mpg .mpeg .ogv .wmv .flv .ivf .264 .h264 .265 .hevc"
ENDINGS = frozenset(_ENDINGS.split())
"""File endings of videos in a folder without a clips.json."""


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip without decoding it; None where the file does not say.

    Attributes:
        source: "builtin", "library" or "LABKIT_CLIPS".
        content: what is to be seen, in words; licence: as stated there.
        notes: what was changed at import, or why the file cannot be read.
    """

    name: str
    source: str
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    frames: int | None = None
    content: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        size = f"{self.width}x{self.height}" if self.width else "size unknown"
        rate = f"{self.fps:.6g} fps" if self.fps else "rate unknown"
        count = f"{self.frames} frames" if self.frames else "length unknown"
        said = [self.content, *self.notes, f"licence: {self.licence}" * bool(self.licence)]
        return "  ".join([f"{self.name:24} {self.source:12} {size:>12} {rate:>9} {count:>10}", *filter(None, said)])


def find_clips(specs: Sequence[str], frames: int | None = None) -> list[Clip]:
    """Return the clips that `specs` name, in that order; a name that comes twice gets a suffix ("foreman-2").

    Args:
        specs: each one `builtin` (all procedural clips), `builtin:NAME`, `builtin:NAME@SEED` (the same kind of
            scene, other content), a path, a folder, a URL, or the name of a clip in the library or in the
            folder that LABKIT_CLIPS names.
        frames: take at most so many of each; None for all (a procedural clip's own number).

    Raises:
        ClipError: nothing is known by that name, or a video cannot be read.
    """
    return named_apart(clip for spec in specs for clip in clips_of(spec, frames))


def named_apart(clips: Iterable[Clip]) -> list[Clip]:
    """Return the clips; a name that comes twice gets a suffix the second time."""
    named: list[Clip] = []
    for clip in clips:
        taken = {other.name for other in named}
        names = (clip.name if count == 1 else f"{clip.name}-{count}" for count in range(1, len(taken) + 2))
        named.append(replace(clip, name=next(name for name in names if name not in taken)))
    return named


def is_builtin(spec: str) -> bool:
    """Return whether a spec names procedural clips."""
    return spec == BUILTIN or spec.startswith(f"{BUILTIN}:")


def list_clips() -> list[ClipInfo]:
    """Return all clips that can be found by name, without decoding any."""
    builtin = [
        ClipInfo(f"{BUILTIN}:{name}", BUILTIN, WIDTH, HEIGHT, FPS, FRAMES, content=scene.description)
        for name, scene in SYNTHETIC.items()
    ]
    return builtin + [_info(source, path, entry) for source, path, entry in _named()]


def library_folder() -> Path:
    """Return where imported clips are kept: LABKIT_HOME/clips if set, else in the user's data folder."""
    home = os.environ.get("LABKIT_HOME")
    return (Path(home) if home else platformdirs.user_data_path("labkit")) / "clips"


def add_clip(source: str | Path, name: str | None = None, frames: int | None = None) -> ClipInfo:
    """Import a video into the library, lossless (FFV1), read back and compared before it appears there.

    Args:
        source: a path or a URL.
        name: to find it by; else the file's name without its ending.

    Raises:
        ClipError: the video cannot be read, the name is taken or unfit, or the library cannot be written.
    """
    folder = library_folder()
    chosen = _fit(name or re.sub(r"[^\w.-]+", "_", stem(source)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clip = read_video(source, frames, chosen)
        _check_free(folder, clip)
        with appears_whole(folder / f"{chosen}.mkv") as temporary:
            _write_ffv1(temporary, clip)
            entry = _entry(temporary, clip)
        _write_index(folder, [*index_entries(folder), entry])
    except OSError as error:
        why = error.strerror or str(error)
        advice = "make it writable, or set LABKIT_HOME to a folder that is"
        raise ClipError(f"{folder}: the library cannot be written ({why}); {advice}") from error
    return _info(LIBRARY, folder / entry["file"], entry)


def clips_of(spec: str, frames: int | None) -> list[Clip]:
    """Return the clips that one spec names."""
    if not spec.strip():  # as a path it would be the folder in which the command was typed
        raise ClipError(f"a clip's name is empty ({spec!r}); name a file, a folder, a URL or {BUILTIN}")
    if spec == BUILTIN:
        return [_builtin(name, frames) for name in SYNTHETIC]
    if is_builtin(spec):
        return [_builtin(spec.removeprefix(f"{BUILTIN}:"), frames)]
    if is_url(spec):
        return [read_video(spec, frames)]
    path = Path(spec)
    if path.is_dir():
        return [_load(path / entry["file"], entry, frames) for entry in _entries(path)]
    if path.exists():
        return [_load(path, index_entry(path), frames)]
    for _, file, entry in _named():
        if entry["name"] == spec:
            return [_load(file, entry, frames)]
    raise ClipError(_unknown(spec))


def _builtin(wanted: str, frames: int | None) -> Clip:
    """Return a procedural clip by NAME or NAME@SEED; one with a seed is called so."""
    name, at, seed = wanted.partition("@")
    if at and not re.fullmatch("[0-9]{1,9}", seed):
        example = f"write {BUILTIN}:{name}@101, or leave it out"
        raise ClipError(f"{BUILTIN}:{wanted}: the seed behind '@' is {seed!r}, not a whole number from 0 on; {example}")
    count, number = FRAMES if frames is None else frames, int(seed or 0)
    try:
        clip = kept_synthetic_clip(name, count, number)
    except ValueError as error:  # typed by a user, not written by a caller
        raise ClipError(str(error)) from error
    return replace(clip, name=f"{name}@{int(seed)}") if at else clip


def _load(path: Path, entry: Entry, frames: int | None) -> Clip:
    """Read one file and add what its clips.json says; a whole clip must still be what was hashed there."""
    clip = read_video(path, frames)
    whole = "yuv_sha256" in entry and len(clip) == entry.get("frames")
    if whole and entry["yuv_sha256"] != _yuv_sha256(clip):
        raise ClipError(f"{path}: its frames are not those that {INDEX} was written for; import or download it again")
    origin = entry.get("origin", clip.origin)
    return replace(
        clip,
        fps=Fraction(entry.get("fps_exact", clip.fps)),
        notes=(*entry.get("notes", ()), *clip.notes),
        origin=" ".join(map(str, origin.values())) if isinstance(origin, dict) else str(origin),
    )


def _unknown(spec: str) -> str:
    """Return a sentence that says where was looked and what comes nearest."""
    names = [info.name for info in list_clips()]
    near = get_close_matches(spec, [*names, *SYNTHETIC], n=1, cutoff=0.5)
    meant = [f"{BUILTIN}:{name}" if name in SYNTHETIC else name for name in near]
    hint = f"; did you mean {meant[0]!r}?" if meant else ""
    folders = ", ".join(f"{source} {folder}" for source, folder in _folders())
    return f"no clip {spec!r}: no such file or folder, and no clip of that name in {BUILTIN}, {folders}{hint}"


def _folders() -> list[tuple[str, Path]]:
    """Return the folders whose clips have names: the library and the one that LABKIT_CLIPS names."""
    folders = [(LIBRARY, library_folder())]
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        folders.append((FOLDER_VARIABLE, Path(named)))
        if not Path(named).is_dir():
            raise ClipError(f"{FOLDER_VARIABLE} names {named}, which is no folder; correct it or unset it")
    return folders


def _named() -> Iterator[tuple[str, Path, Entry]]:
    """Yield source, file and entry of every clip that has a name."""
    for source, folder in _folders():
        if folder.is_dir():
            yield from ((source, folder / entry["file"], entry) for entry in _entries(folder, may_be_empty=True))


def _entries(folder: Path, may_be_empty: bool = False) -> list[Entry]:
    """Return what clips.json lists, else the files with the ending of a video, sorted by name."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    entries = index_entries(folder) or [{"name": path.stem, "file": path.name} for path in files]
    if not entries and not may_be_empty:
        raise ClipError(f"{folder}: no video in this folder; known endings are {_ENDINGS}")
    return entries


def _info(source: str, path: Path, entry: Entry) -> ClipInfo:
    """Return an entry for the list; what clips.json does not say is asked of the file's headers."""
    try:
        known = entry if {"width", "height", "fps", "frames"} <= entry.keys() else {**_headers(path), **entry}
    except ClipError as error:
        known = {**entry, "notes": [str(error)]}
    return ClipInfo(
        name=entry["name"],
        source=source,
        notes=tuple(known.get("notes", ())),
        **{key: known[key] for key in ("width", "height", "fps", "frames", "content", "licence") if key in known},
    )


def _headers(path: Path) -> Entry:
    with open_video(path) as (container, stream):
        fps = frame_rate(container, stream)
        return {
            "width": stream.width,
            "height": stream.height,
            "fps": float(fps) if fps else None,
            "frames": expected_frames(container, stream),
        }


def _fit(name: str) -> str:
    """Return the name if it can be a file's name and does not mean something else here."""
    if not re.fullmatch(r"\w[\w.-]*", name) or name == BUILTIN:
        raise ClipError(f"a clip cannot be called {name!r}; use letters, digits, '_', '-' and '.', not {BUILTIN!r}")
    return name


def _check_free(folder: Path, clip: Clip) -> None:
    """Raise ClipError if the library has a clip of that name, and say whether it is the same one."""
    for entry in index_entries(folder):
        if entry["name"] == clip.name and entry.get("hash") == clip.hash:
            raise ClipError(f"the library has {clip.name!r} already, with the same frames; there is nothing to add")
        if entry["name"] == clip.name:
            has = f"{entry.get('frames')} frames of {entry.get('width')}x{entry.get('height')}"
            this = f"{len(clip)} of {clip.width}x{clip.height}"
            raise ClipError(
                f"the library has another clip called {clip.name!r} ({has}, this is {this} with other content); "
                f"give this one another name"
            )


def _write_ffv1(path: Path, clip: Clip) -> None:
    """Write a lossless Matroska file."""
    options = {"level": "3", "slicecrc": "1", "g": "1"}
    with av.open(path, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=clip.fps, options=options)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.colorspace = Colorspace.ITU709 if clip.matrix == "bt709" else Colorspace.ITU601
        for index, row in enumerate(clip.data):
            frame = av.VideoFrame.from_ndarray(row.reshape(clip.height * 3 // 2, clip.width), "yuv420p")
            frame.pts, frame.time_base = index, 1 / clip.fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _entry(path: Path, clip: Clip) -> Entry:
    """Return the clip's entry for clips.json, once the file at `path` is found to hold its very frames."""
    expected = _yuv_sha256(clip)
    if _yuv_sha256(read_video(path)) != expected:
        raise ClipError(f"{clip.name}: FFV1 gave other frames back than were written; nothing was added")
    return {
        "name": clip.name,
        "file": f"{clip.name}.mkv",
        "width": clip.width,
        "height": clip.height,
        "fps": float(clip.fps),
        "fps_exact": str(clip.fps),
        "frames": len(clip),
        "pix_fmt": "yuv420p",
        "range": "limited",
        "matrix": clip.matrix,
        "codec": "FFV1",
        "bytes": path.stat().st_size,
        "yuv_sha256": expected,
        "hash": clip.hash,
        "origin": clip.origin,
        "notes": list(clip.notes),
    }


def _write_index(folder: Path, entries: list[Entry]) -> None:
    with appears_whole(folder / INDEX) as temporary:
        temporary.write_text(json.dumps({"clips": entries}, indent=1) + "\n", encoding="utf-8")


def _yuv_sha256(clip: Clip) -> str:
    """Return SHA-256, hex, over all samples, frame by frame, planes y, u, v."""
    return hashlib.sha256(np.ascontiguousarray(clip.data).data).hexdigest()
