"""The static check: fast, explained feedback on a candidate's source, and nothing else.

Passing it never means that a source is safe. Of 43 candidates that did harm without a wall, 10 passed a
strict validator with 90 refused names; the boundary is the operating system (`labkit.jail`).

Covered: what honest writers trip over (files, modules that are not there, text run as code, missing contract
functions), with the line, the reason and a way out; aliases, followed to dotted paths.
Not covered: names built at run time, modules passed through calls and containers filled later, and everything
else that only running it would show.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import zlib
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from labkit.candidate import CodeQuality
from labkit.policy.finding import Finding
from labkit.policy.rules import Refusal, Rules
from labkit.policy.text import too_long

__all__ = ["DEFAULT_RULES", "Finding", "Refusal", "Rules", "check", "code_quality", "importable", "normal_hash"]

DEFAULT_RULES = Rules.load(Path(__file__).with_name("rules.toml"))
"""The shipped rules."""

DEADLINE_S = 20.0
"""By the parent's clock; the child's own limit on CPU time ends most hostile sources sooner."""

_CHILD = Path(__file__).with_name("child.py")


def check(source: str, rules: Rules = DEFAULT_RULES) -> tuple[Finding, ...]:
    """Return what is refused in `source`, sorted by line; empty if nothing was found.

    The source is parsed in a child process with limits on time and memory: a hostile one can end the child,
    which is a finding, and nothing else.
    """
    if long := too_long(source, rules):
        return (long,)
    missing = [module for module in rules.modules if not _installed(module)]
    answer = _asked({"wanted": "findings", "source": source, "rules": asdict(rules), "missing": missing})
    if isinstance(answer, str):
        return (_unfinished(answer),)
    return tuple(Finding(*part) for part in answer)


def normal_hash(source: str, rules: Rules = DEFAULT_RULES) -> str | None:
    """Return a hash that comments, layout and the names of local variables do not change: equal ones are one program.

    None if the source cannot be parsed: the check says why. Parsed in a child process, as the check does it.
    """
    if too_long(source, rules):
        return None
    answer = _asked({"wanted": "normal hash", "source": source, "rules": asdict(rules)})
    return None if isinstance(answer, str) else answer[0]


def code_quality(source: str, rules: Rules = DEFAULT_RULES) -> CodeQuality | None:
    """Return what can be counted of a source; see `labkit.policy.quality` for how complexity is.

    None if the source cannot be parsed: the check says why. Parsed in a child process, as the check does it.
    """
    if too_long(source, rules):
        return None
    answer = _asked({"wanted": "quality", "source": source, "rules": asdict(rules)})
    if answer is None or isinstance(answer, str):
        return None
    functions, modules = answer
    text = source.encode("utf-8", "surrogatepass")
    most = max(functions, key=lambda named: named[1], default=("", 0))
    return CodeQuality(
        source_bytes=len(text),
        compressed_bytes=len(zlib.compress(text, 9)),
        lines=sum(1 for line in source.splitlines() if line.strip()),
        functions=len(functions),
        complexity=sum(complexity for _, complexity in functions),
        max_complexity=most[1],
        most_complex=most[0],
        dependencies=tuple(modules),
    )


def importable(rules: Rules = DEFAULT_RULES) -> tuple[str, ...]:
    """Return the allowed modules that are installed on this machine."""
    return tuple(module for module in rules.modules if _installed(module))


def _asked(request: dict[str, Any]) -> Any:
    """Return the child's answer, a list; a text that says why there is none."""
    try:
        child = subprocess.run(
            [sys.executable, "-I", "-S", str(_CHILD)],
            input=json.dumps(request).encode("ascii"),
            capture_output=True,
            timeout=DEADLINE_S,
            # a shared Python may need its library's path; nothing else of ours is the child's business
            env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was stopped after {DEADLINE_S:.0f} s"
    return _end(child) if child.returncode else json.loads(child.stdout)


def _unfinished(reason: str) -> Finding:
    return Finding(0, f"the check did not finish: {reason}", "a source must be simple to parse", "write it simpler")


def _end(child: subprocess.CompletedProcess[bytes]) -> str:
    """Return how the child ended, in words."""
    if child.returncode < 0:
        return f"its process was ended: {signal.strsignal(-child.returncode)}"
    lines = child.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"its process left with status {child.returncode}"


@cache
def _installed(module: str) -> bool:
    """Return whether a top-level module can be found; it is not imported."""
    return module in sys.builtin_module_names or importlib.util.find_spec(module) is not None
