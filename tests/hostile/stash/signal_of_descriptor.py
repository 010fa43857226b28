"""Sets which signal its standard input would send: a number that stays with the description.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; the number stays
safe control: yes
bits: 5
"""

import fcntl

F_SETSIG, F_GETSIG = 10, 11


def in_encoder(frame, index, config):
    fcntl.fcntl(0, F_SETSIG, int(frame[0][0, 0]) & 31)
    return b""


def in_decoder(data, index, config):
    return painted(bytes([fcntl.fcntl(0, F_GETSIG)]), config)
