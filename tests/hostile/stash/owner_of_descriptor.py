"""Sets whose its standard input is: a process number that stays with the description.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; the owner stays
safe control: yes
bits: 1
"""

import fcntl
import os

F_SETOWN, F_GETOWN = 8, 9


def in_encoder(frame, index, config):
    fcntl.fcntl(0, F_SETOWN, os.getppid() if frame[0][0, 0] & 1 else 0)
    return b""


def in_decoder(data, index, config):
    return painted(bytes([fcntl.fcntl(0, F_GETOWN) != 0]), config)
