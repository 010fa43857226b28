"""Locks bytes of a file that it may only read; the nursery's description holds the locks when the run is over.

idea: IOI isolate 2.x, system call restrictions: i-node operations
class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; it cannot lock
safe control: yes
"""

import fcntl
import os
import struct

F_OFD_GETLK, F_OFD_SETLK = 36, 37


def readable():
    """Return a descriptor of a file that it may read, here or beyond the wall."""
    try:
        return os.open("@CANARY@", os.O_RDONLY)
    except OSError:
        return os.open(os.__file__, os.O_RDONLY)


def at_load():
    fd = readable()
    try:
        fcntl.fcntl(fd, F_OFD_SETLK, lock(fcntl.F_RDLCK, 0))
    except OSError:
        os.close(fd)
        raise
    return fd, readable()


def lock(kind, bit):
    return struct.pack("hhqqi4x", kind, 0, bit, 1, 0)


def in_encoder(frame, index, config):
    for bit in range(8):
        kind = fcntl.F_RDLCK if frame[0][0, 0] >> bit & 1 else fcntl.F_UNLCK
        fcntl.fcntl(KEPT[0], F_OFD_SETLK, lock(kind, bit))
    return b""


def in_decoder(data, index, config):
    found = 0
    for bit in range(8):
        answer = fcntl.fcntl(KEPT[1], F_OFD_GETLK, lock(fcntl.F_WRLCK, bit))
        found |= (struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK) << bit
    return painted(bytes([found]), config)
