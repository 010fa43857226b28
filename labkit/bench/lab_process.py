"""A lab in a process of its own: reads a clip, evaluates intra_dct on it, prints its peak memory so far as JSON."""

import json
import sys
from pathlib import Path

from labkit.bench.figure import whole
from labkit.candidate import read_candidate
from labkit.evaluate import Seats, evaluate
from labkit.footage.library import find_clips
from labkit.settings import ROOT

_QPS = (22, 37)


def main(path: str) -> None:
    """Print MiB by what had been done."""
    peaks = {"before it reads the clip": _peak_mib()}
    clips = find_clips([path])
    peaks["when it has read it"] = _peak_mib()
    for seats in (1, 2):
        whole(evaluate(read_candidate(ROOT / "codecs" / "intra_dct.py"), clips, _QPS, seats=Seats(seats)))
        peaks[f"after evaluation at {len(_QPS)} QPs, {seats} at once"] = _peak_mib()
    print(json.dumps(peaks))


def _peak_mib() -> float:
    # ru_maxrss would begin with the peak of the process that started this one
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(sys.argv[1])
