"""Writes the message into the priority of the nursery, which every later run inherits.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; the nursery's priority stays
safe control: yes
bits: 2
"""

import os

NURSERY = os.getpid()


def in_encoder(frame, index, config):
    os.setpriority(os.PRIO_PROCESS, NURSERY, int(frame[0][0, 0]) & 3)
    return b""


def in_decoder(data, index, config):
    return painted(bytes([os.getpriority(os.PRIO_PROCESS, 0)]), config)
