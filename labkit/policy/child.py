"""The child of the static check: reads a source and rules from stdin, writes an answer to stdout, both JSON.

Run by path in an isolated interpreter without site-packages. The parser is the one part of the lab that reads
a hostile text before any wall stands, so it works under limits, in a process that can only be lost.
"""

import gc
import json
import resource
import sys
from pathlib import Path
from types import ModuleType

MEMORY_MIB = 768
CPU_S = 5


def _find_siblings() -> None:
    """Make labkit.policy importable without running labkit's own modules, which load libraries."""
    here = Path(__file__).resolve().parent
    for name, folder in (("labkit", here.parent), ("labkit.policy", here)):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package


def _limit() -> None:
    memory = MEMORY_MIB * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main() -> None:
    """Answer one request."""
    _find_siblings()
    from labkit.policy.checker import find
    from labkit.policy.normal import normal_hash
    from labkit.policy.quality import counted
    from labkit.policy.rules import Rules

    gc.disable()  # a syntax tree has no garbage, and collecting while it grows doubles the time
    _limit()
    request = json.load(sys.stdin)
    source, rules = request["source"], Rules.of(request["rules"], "request")
    if request["wanted"] == "normal hash":
        json.dump([normal_hash(source, rules)], sys.stdout)
        return
    if request["wanted"] == "quality":
        json.dump(counted(source, rules), sys.stdout)
        return
    findings = find(source, rules, request["missing"])
    json.dump([[part.line, part.what, part.why, part.instead] for part in findings], sys.stdout)


if __name__ == "__main__":
    main()
