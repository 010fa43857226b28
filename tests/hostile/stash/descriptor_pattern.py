"""Closes and opens descriptors of the nursery in a pattern, which its runs inherit.

class: stash
in the jail: runs
refused by check: yes
seen from outside: stash; a run changes its own descriptors only
safe control: no; processes keep their own descriptors, jail or not
"""

import os


def in_encoder(frame, index, config):
    for bit in range(8):
        if frame[0][0, 0] >> bit & 1:
            os.dup2(0, 40 + bit)
    return b""


def in_decoder(data, index, config):
    found = 0
    for bit in range(8):
        try:
            os.fstat(40 + bit)
            found |= 1 << bit
        except OSError:
            continue
    return painted(bytes([found]), config)
