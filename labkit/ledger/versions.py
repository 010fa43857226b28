"""The versions of what measures, and the machine: stored with a campaign, compared by an audit."""

import platform
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("labkit", "numpy", "opencv-python-headless", "av", "scipy", "numba", "constriction")


def versions_in_use() -> dict[str, str]:
    """Return the versions of what measures, and the machine, as stored with a campaign."""
    libraries = {name: version(name) for name in _LIBRARIES}
    machine = f"{platform.system()} {platform.machine()}"
    return {**libraries, "python": platform.python_version(), "machine": machine, "processor": _processor()}


def _processor() -> str:
    """Return the processor's name, since the last digits of SSIM depend on it; "" where the kernel tells none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
