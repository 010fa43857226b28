"""Locks a file of Python's library, which every run may read, by its path: no descriptor is inherited.

idea: IOI isolate 2.x: locks on files that are read-only for all
class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; it cannot lock
safe control: no; the lock goes with the process that has set it, and none can stay
"""

import fcntl
import os


def in_encoder(frame, index, config):
    fd = os.open(os.__file__, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return b""


def in_decoder(data, index, config):
    return painted(b"", config)
