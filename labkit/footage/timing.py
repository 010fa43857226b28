"""When the frames of a video are shown, how many there should be, and what is odd about it."""

from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream


def frame_rate(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Return frames a second, exact; None where the file does not say.

    A raw stream has no times and FFmpeg makes up an average of 25 for it: there the codec's rate goes first.
    """
    rates = [stream.average_rate, stream.guessed_rate]
    return next((rate for rate in (rates if container.duration else rates[::-1]) if rate), None)


def expected_frames(container: InputContainer, stream: VideoStream) -> int | None:
    """Return how many frames the container speaks of, by count or by duration; None where it does not."""
    duration_s, fps = _promised_s(container, stream), frame_rate(container, stream)
    if stream.frames or not (duration_s and fps):
        return stream.frames or None
    return max(1, round(duration_s * fps))


class Shown(NamedTuple):
    """When a frame is shown: seconds, None where the file has no times."""

    start_s: Fraction | None
    duration_s: Fraction
    tick_s: Fraction
    interlaced: bool
    rotation: int

    @classmethod
    def of(cls, frame: VideoFrame) -> "Shown":
        tick_s = frame.time_base or Fraction(1)
        start_s = None if frame.pts is None else frame.pts * tick_s
        return cls(start_s, (frame.duration or 0) * tick_s, tick_s, frame.interlaced_frame, frame.rotation)


def timing_notes(shown: list[Shown], fps: Fraction | None, frames: int | None) -> list[str]:
    """Return what is odd about the way the frames are shown."""
    notes = [] if fps else ["no frame rate in the file, 25 frames a second assumed"]
    if shown[0].rotation:
        notes.append(f"rotation by {shown[0].rotation} degrees in the metadata ignored")
    if any(frame.interlaced for frame in shown):
        notes.append("interlaced: both fields stay in one frame, nothing was deinterlaced")
    if frames is not None and len(shown) < frames:
        notes.append(f"{frames} frames were asked for, the file has {len(shown)}")
    times_s = [frame.start_s for frame in shown if frame.start_s is not None]
    intervals_s = [after - before for before, after in pairwise(times_s)]
    if intervals_s and _varies(intervals_s, shown[0].tick_s):
        low_ms, high_ms = (float(1000 * value) for value in (min(intervals_s), max(intervals_s)))
        apart = f"frames are {low_ms:.1f} to {high_ms:.1f} ms apart"
        notes.append(f"variable frame rate: {apart}, taken as {float(fps or 25):.6g} frames a second")
    return notes


def _varies(intervals_s: list[Fraction], tick_s: Fraction) -> bool:
    """Return whether intervals differ by more than rounding to ticks explains."""
    shortest, longest = min(intervals_s), max(intervals_s)
    rounding_s = tick_s if shortest >= 4 * tick_s else Fraction(0)
    return longest - shortest > max(rounding_s, longest / 100)


def end_notes(container: InputContainer, stream: VideoStream, shown: list[Shown], frames: int | None) -> list[str]:
    """Say so if a container that does not count its frames promises more seconds than they fill."""
    promised_s, fps, last = _promised_s(container, stream), frame_rate(container, stream), shown[-1]
    if len(shown) == frames or promised_s is None or fps is None or last.start_s is None:
        return []
    end_s = last.start_s - min(shown[0].start_s or Fraction(0), Fraction(0)) + max(1 / fps, last.duration_s)
    # sound often lasts a little longer than the pictures, and some containers give one duration for both
    slack_s = Fraction(3, 2) / fps if len(container.streams) == 1 else Fraction(1, 2)
    if promised_s - end_s <= slack_s:
        return []
    promise = f"the file promises {float(promised_s):.2f} s"
    return [f"{promise} but its pictures end after {float(end_s):.2f} s: the end may be missing"]


def _promised_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Return the duration in seconds that the headers give."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    return Fraction(container.duration, av.time_base) if container.duration else None
