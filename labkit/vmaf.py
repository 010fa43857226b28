"""VMAF of decoded frames, measured by an ffmpeg that has libvmaf: a figure to report, never one to decide by."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from math import isfinite
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from labkit.clip import Clip, Frame
from labkit.errors import VmafError

MODEL = "vmaf_v0.6.1"
"""Netflix's model for a 1080p screen seen from three times its height; smaller clips are not scaled up to it."""

MIN_SIDE = 34
"""Smallest width and height: libvmaf crashes on sides up to 16, and some of its versions misread or refuse 32."""

MISSING = "VMAF needs an ffmpeg with libvmaf: install labkit[vmaf], or set LABKIT_FFMPEG to the path of one"
"""What to print where `find` finds none."""

_PROBE_S = 30.0
_LOG, _SAID = "vmaf.json", "stderr.txt"


@dataclass(frozen=True)
class Vmaf:
    """VMAF of one decoded clip, of its luma alone; higher is better, at most 100.

    Identical frames score 97 to 100, depending on how much the original moves.

    Attributes:
        mean: arithmetic mean of `by_frame`.
        by_frame: in display order.
        ffmpeg: versions of ffmpeg and of its libvmaf, between which scores differ.
    """

    mean: float
    by_frame: tuple[float, ...] = field(repr=False)
    model: str
    ffmpeg: str


def find() -> Path | None:
    """Return an ffmpeg that can measure VMAF; None if there is none, and MISSING says what to do.

    LABKIT_FFMPEG decides if it is set; else the first ffmpeg on PATH, then that of imageio-ffmpeg, if
    it has libvmaf. Each is asked once in the life of the process.

    Raises:
        VmafError: what LABKIT_FFMPEG names cannot measure VMAF.
    """
    return _find(os.environ.get("LABKIT_FFMPEG", ""), os.environ.get("PATH", os.defpath))


def measure(clip: Clip, decoded: Iterable[Frame], ffmpeg: Path) -> Vmaf:
    """Return the VMAF of `decoded` against the frames of `clip`, on one thread; no more than a frame is held.

    Args:
        decoded: as many frames as the clip has, in display order.
        ffmpeg: what `find` returned.

    Raises:
        VmafError: a side is below MIN_SIDE, there are fewer or more frames, or ffmpeg fails.
        ValueError: a decoded frame is not three uint8 planes of the clip's shapes.
    """
    if min(clip.width, clip.height) < MIN_SIDE:
        raise VmafError(f"{_place(clip)}: both sides must be at least {MIN_SIDE}; choose a larger clip")
    ffmpeg = ffmpeg.absolute()
    with TemporaryDirectory(prefix="labkit-vmaf-") as folder:
        with _started(clip, ffmpeg, Path(folder)) as process:
            for samples in _side_by_side(clip, decoded):
                if not _taken(process, samples):
                    break
        libvmaf, scores = _read(clip, Path(folder), process.returncode)
    return Vmaf(fmean(scores), scores, MODEL, f"{_version(ffmpeg)}, libvmaf {libvmaf}")


@cache
def _find(named: str, search_path: str) -> Path | None:
    if named:
        ffmpeg = shutil.which(named, path=search_path)
        fault = _fault(ffmpeg) if ffmpeg else "is no program"
        if fault:
            raise VmafError(f"LABKIT_FFMPEG is {named!r}, which {fault}; name an ffmpeg with libvmaf or unset it")
        return Path(str(ffmpeg)).absolute()
    return next((Path(ffmpeg).absolute() for ffmpeg in _installed(search_path) if not _fault(ffmpeg)), None)


def _installed(search_path: str) -> Iterator[str]:
    """Yield the first ffmpeg on PATH, then the one that imageio-ffmpeg brings."""
    on_path = shutil.which("ffmpeg", path=search_path)
    if on_path:
        yield on_path
    try:
        import imageio_ffmpeg

        yield str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # the latter: its wheel for this machine brings no program
        return


def _fault(ffmpeg: str) -> str:
    """Return why this program cannot measure VMAF; "" if it can."""
    command = [ffmpeg, "-hide_banner", "-h", "filter=libvmaf"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_S)
    except OSError as error:
        return f"cannot be run ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"did not say within {_PROBE_S:g} s whether it has libvmaf"
    # before FFmpeg 5.0 the filter named its model by another option
    known = re.search(rb"^libvmaf AVOptions:\s.*?^ +model +<string>", done.stdout, re.MULTILINE | re.DOTALL)
    return "" if known else "has no libvmaf, or is older than FFmpeg 5.0"


@cache
def _version(ffmpeg: Path) -> str:
    said = subprocess.run([ffmpeg, "-version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_S)
    found = re.match(r"ffmpeg version (\S+)", said.stdout.decode(errors="replace"))
    return f"ffmpeg {found[1]}" if found else "ffmpeg of unknown version"


def _started(clip: Clip, ffmpeg: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """Start an ffmpeg that takes frames of double height, the original above the decoded, and writes its log."""
    width, height = clip.width, clip.height
    # one stream of both: no two inputs that could fall out of step, and no copy of the clip on disk
    graph = (
        f"split[a][b];[a]crop={width}:{height}:0:0[original];[b]crop={width}:{height}:0:{height}[decoded];"
        f"[decoded][original]libvmaf=model=version={MODEL}:n_threads=1:log_fmt=json:log_path={_LOG}"
    )
    source = f"-f rawvideo -pix_fmt yuv420p -video_size {width}x{2 * height} -framerate {clip.fps} -i pipe:0"
    command = [
        *(str(ffmpeg), "-hide_banner", "-loglevel", "error", "-nostats", "-threads", "1", "-filter_threads", "1"),
        *source.split(),
        *("-vf", graph, "-f", "null", "-"),
    ]
    with (folder / _SAID).open("wb") as said:
        try:
            # started in its folder, so that the log's path needs no quoting for the filter
            return subprocess.Popen(
                command, bufsize=0, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
            )
        except OSError as error:
            raise VmafError(f"{_place(clip)}: {ffmpeg} cannot be run ({error.strerror})") from error


def _side_by_side(clip: Clip, decoded: Iterable[Frame]) -> Iterator[memoryview]:
    """Yield the samples of each double frame: both luma planes, then both u, then both v."""
    count = 0
    for count, frame in enumerate(decoded, 1):
        if count > len(clip):
            raise VmafError(f"{_place(clip)}: more decoded frames than the clip has; one for each is needed")
        original = clip.frame(count - 1)
        _check_planes(original, frame, count - 1)
        yield memoryview(b"".join(plane.tobytes() for pair in zip(original, frame, strict=True) for plane in pair))
    if count < len(clip):
        raise VmafError(f"{_place(clip)}: decoded frames ended after {count}; one for each of the clip's is needed")


def _check_planes(original: Frame, decoded: Frame, index: int) -> None:
    expected, found = ([(str(plane.dtype), plane.shape) for plane in frame] for frame in (original, decoded))
    if found != expected:
        raise ValueError(f"decoded frame {index} is {found}, expected {expected}")


def _taken(process: "subprocess.Popen[bytes]", samples: memoryview) -> bool:
    """Send the samples; return False if ffmpeg is gone, which tells why by its log and exit code."""
    assert process.stdin is not None
    try:
        while samples:
            samples = samples[process.stdin.write(samples) :]
    except BrokenPipeError:
        return False
    return True


def _read(clip: Clip, folder: Path, exit_code: int) -> tuple[str, tuple[float, ...]]:
    """Return libvmaf's version and the score of each frame."""
    said = [line for line in (folder / _SAID).read_text("utf-8", errors="replace").splitlines() if line.strip()]
    # ffmpeg names the cause in its first line and gives up in its last
    why = " ... ".join(dict.fromkeys((said[0], said[-1]))) if said else "it said nothing"
    if exit_code != 0:
        how = f"exit code {exit_code}" if exit_code > 0 else f"signal {-exit_code}"
        raise VmafError(f"{_place(clip)}: ffmpeg failed with {how}: {why}")
    try:
        log = json.loads((folder / _LOG).read_text("utf-8"))
        frames = sorted((frame["frameNum"], float(frame["metrics"]["vmaf"])) for frame in log["frames"])
        libvmaf = str(log["version"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise VmafError(f"{_place(clip)}: ffmpeg wrote no log that can be read ({error!r}): {why}") from error
    scores = tuple(score for _, score in frames)
    if [index for index, _ in frames] != list(range(len(clip))) or not all(map(isfinite, scores)):
        raise VmafError(f"{_place(clip)}: libvmaf's log has {len(scores)} scores, not a finite one for each frame")
    return libvmaf, scores


def _place(clip: Clip) -> str:
    return f"VMAF of {clip.name} ({clip.width}x{clip.height}, {len(clip)} frames)"
