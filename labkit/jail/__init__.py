"""The wall between the lab and a candidate's code.

Covered at level "sealed" and "filtered":
    - files: nothing can be opened but Python's library and the installed packages, read only (Landlock)
    - network, other processes, signals, IPC, locks, shared memory: refused by the kernel (seccomp, Landlock)
    - separate processes: nursery, encoder, decoder; the lab scores in its own; one process for each run
    - the decoder gets the container's payloads and configuration, never a frame; nothing writable is shared
    - resource limits: CPU seconds, memory, no growing files, output capped; deadlines by our clock
    - a scrubbed environment: no key, no home, no path to labkit; root is dropped; every process ended afterwards
Covered at level "sealed" besides:
    - an own file tree, process tree, network and IPC (bubblewrap): what is not there cannot be attacked
Level "none" has separate processes, limits and the scrubbed environment, and no kernel fence at all.
Not covered at any level:
    - kernel exploits, timing side channels (also: page cache, access times of files at "filtered"), GPU
    - a clip baked into the source: its size is capped, and held-out clips judge
"""

from labkit.jail.level import Level, available_levels, choose
from labkit.jail.limits import Limits
from labkit.jail.nursery import Coded, Decoded, Nursery
from labkit.jail.probe import Wall, raise_wall

__all__ = [
    "Coded",
    "Decoded",
    "Level",
    "Limits",
    "Nursery",
    "Wall",
    "available_levels",
    "choose",
    "raise_wall",
]
