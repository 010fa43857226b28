"""Keeps the nursery's own output pipe, and writes its message into the pipe's size.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; the size stays
safe control: yes
bits: 2
"""

import fcntl
import os


def at_load():
    fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 4096)
    return os.dup(1)


def in_encoder(frame, index, config):
    fcntl.fcntl(KEPT, fcntl.F_SETPIPE_SZ, 4096 << (int(frame[0][0, 0]) & 3))
    return b""


def in_decoder(data, index, config):
    return painted(bytes([(fcntl.fcntl(KEPT, fcntl.F_GETPIPE_SZ) // 4096).bit_length() - 1]), config)
