"""Makes an eventfd while it is loaded: a counter of 64 bits that all its holders share.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no counter
safe control: yes
"""

import os


def at_load():
    return os.eventfd(0)


def in_encoder(frame, index, config):
    os.eventfd_write(KEPT, int(frame[0][0, 0]))
    return b""


def in_decoder(data, index, config):
    return painted(bytes([os.eventfd_read(KEPT)]), config)
