"""Makes shared memory while it is loaded, which every later run inherits.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no such memory
safe control: yes
"""

import mmap


def at_load():
    return mmap.mmap(-1, 4096)


def in_encoder(frame, index, config):
    KEPT[:64] = frame[0].tobytes()[:64]
    return b""


def in_decoder(data, index, config):
    return painted(KEPT[:64], config)
