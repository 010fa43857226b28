"""Sets flags of its standard input, which is one description for the nursery and all its runs.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; the flags stay
safe control: yes
bits: 2
"""

import fcntl
import os


def in_encoder(frame, index, config):
    value = int(frame[0][0, 0])
    fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK * (value & 1) | os.O_APPEND * (value >> 1 & 1))
    return b""


def in_decoder(data, index, config):
    flags = fcntl.fcntl(0, fcntl.F_GETFL)
    return painted(bytes([bool(flags & os.O_NONBLOCK) | bool(flags & os.O_APPEND) << 1]), config)
