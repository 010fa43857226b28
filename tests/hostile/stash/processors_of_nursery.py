"""Writes the message into the processors that the nursery may use, which every later run inherits.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; the nursery's processors stay
safe control: yes
bits: 1
"""

import os

NURSERY, ALL = os.getpid(), os.sched_getaffinity(0)


def in_encoder(frame, index, config):
    os.sched_setaffinity(NURSERY, {min(ALL)} if frame[0][0, 0] & 1 else ALL)
    return b""


def in_decoder(data, index, config):
    return painted(bytes([os.sched_getaffinity(0) != ALL]), config)
