"""Benchmarks: medians of several runs, what is compared is measured side by side in one run."""

import json
from collections.abc import Callable, Mapping

from labkit.bench.figure import Figure
from labkit.bench.measures import metrics
from labkit.bench.memory import memory
from labkit.bench.speed import cache, early_stop, overhead, parallel
from labkit.bench.wall import jail
from labkit.errors import SettingsError
from labkit.terminal import out

BENCHMARKS: Mapping[str, Callable[[], list[Figure]]] = {
    "jail": jail,
    "overhead": overhead,
    "parallel": parallel,
    "cache": cache,
    "early-stop": early_stop,
    "metrics": metrics,
    "memory": memory,
}


def run(name: str | None, as_json: bool) -> int:
    """Run one benchmark and print its figures; without a name, list them.

    Raises:
        SettingsError: there is none of this name.
    """
    if name is None:
        for known, function in BENCHMARKS.items():
            out.print(f"{known}: {(function.__doc__ or '').strip()}", markup=False)
        return 0
    if name not in BENCHMARKS:
        raise SettingsError(f"no benchmark {name!r}; known are {', '.join(BENCHMARKS)}")
    figures = BENCHMARKS[name]()
    if as_json:
        print(json.dumps([vars(figure) for figure in figures], indent=2))
    for figure in () if as_json else figures:
        spread = f"{figure.low:.2f}-{figure.high:.2f}, {figure.runs} runs"
        out.print(f"{figure.what}: {figure.median:.2f} {figure.unit} (median; {spread})", markup=False)
    return 0
