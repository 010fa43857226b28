"""Makes a file in memory while it is loaded.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no file
safe control: yes
"""

import os


def at_load():
    return os.memfd_create("stash")


def in_encoder(frame, index, config):
    os.pwrite(KEPT, frame[0].tobytes()[:64], 0)
    return b""


def in_decoder(data, index, config):
    return painted(os.pread(KEPT, 64, 0), config)
