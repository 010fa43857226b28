"""Takes a lease on a file of its own user: everybody who asks can see it.

idea: IOI isolate 2.x, system call restrictions: F_SETLEASE
class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; it gets no lease
safe control: yes
bits: 1
"""

import fcntl
import os


def readable():
    """Return a descriptor of a file that it may read, here or beyond the wall."""
    try:
        return os.open("@CANARY@", os.O_RDONLY)
    except OSError:
        return os.open(os.__file__, os.O_RDONLY)


def at_load():
    fd = readable()
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        os.close(fd)
        raise
    return fd


def in_encoder(frame, index, config):
    fcntl.fcntl(KEPT, fcntl.F_SETLEASE, fcntl.F_RDLCK if frame[0][0, 0] & 1 else fcntl.F_UNLCK)
    return b""


def in_decoder(data, index, config):
    return painted(bytes([fcntl.fcntl(KEPT, fcntl.F_GETLEASE) == fcntl.F_RDLCK]), config)
