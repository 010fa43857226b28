"""The wall between the lab and a candidate's code.

Covered now (level "none", the only one so far):
    - separate processes: nursery, encoder, decoder; the lab scores in its own
    - the decoder gets the container's payloads and configuration, never a frame; nothing writable is shared
    - resource limits: CPU seconds, memory, no growing files, output capped; deadlines by our clock
    - a scrubbed environment: no key, no home, no path to labkit; every process ended afterwards
Not covered yet:
    - no kernel fence: hostile code can read files of this user, open sockets, signal other processes
      (Landlock, seccomp and namespaces make the levels "filtered" and "sealed")
    - kernel exploits, timing side channels, GPU: at no level
So run only code that you would run yourself, until a level above "none" is shown.
"""

from labkit.jail.limits import Limits
from labkit.jail.nursery import Coded, Decoded, Nursery

ISOLATION = "none"
"""The level that candidates run behind; shown and stored with every result."""

ISOLATION_NOTE = (
    "isolation: none (separate processes, resource limits, scrubbed environment; no kernel fence yet): "
    "run only code that you trust"
)

__all__ = ["ISOLATION", "ISOLATION_NOTE", "Coded", "Decoded", "Limits", "Nursery"]
