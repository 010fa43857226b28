"""How much memory the lab itself needs while it evaluates a long 1080p clip."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np

from labkit.bench.figure import Figure, figure
from labkit.errors import LabkitError
from labkit.footage.synthetic import synthetic_clip

_WIDTH, _HEIGHT, _FRAMES = 1920, 1080, 300


def memory() -> list[Figure]:
    """Peak memory of the lab's own process while intra_dct is evaluated on 300 frames of 1080p, in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mkv"
        _write(path)
        command = [sys.executable, "-m", "labkit.bench.lab_process", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabkitError(f"the benchmark's own process failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    peaks = json.loads(done.stdout)
    samples = _FRAMES * _WIDTH * _HEIGHT * 3 / 2 / 2**20
    return [
        figure(f"samples of {_FRAMES} frames of {_WIDTH}x{_HEIGHT}", "MiB", [samples]),
        *(figure(f"peak memory of the lab: {what}", "MiB", [peak]) for what, peak in peaks.items()),
    ]


def _write(path: Path) -> None:
    """Write a file of moving pictures: a few synthetic frames, moved on each time they come again."""
    few = synthetic_clip("photo_pan", _WIDTH, _HEIGHT, frames=6)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for index in range(_FRAMES):
            picture = np.roll(few.data[index % len(few)], index // len(few) * 8)
            packed = av.VideoFrame.from_ndarray(picture.reshape(_HEIGHT * 3 // 2, _WIDTH), format="yuv420p")
            container.mux(stream.encode(packed))
        container.mux(stream.encode())
