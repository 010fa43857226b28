"""Locks a file as a whole, through a description that its nursery shares.

idea: IOI isolate 2.x, system call restrictions: flock
class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; it cannot lock
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
        fcntl.flock(fd, fcntl.LOCK_SH)
    except OSError:
        os.close(fd)
        raise
    return fd


def in_encoder(frame, index, config):
    fcntl.flock(KEPT, fcntl.LOCK_EX if frame[0][0, 0] & 1 else fcntl.LOCK_UN)
    return b""


def in_decoder(data, index, config):
    mine = readable()
    try:
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return painted(b"\1", config)
    return painted(b"\0", config)
