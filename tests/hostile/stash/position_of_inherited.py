"""Uses the position of whatever file it has inherited and can wind: one that a lab has left open for all.

class: stash
in the jail: runs
refused by check: yes
seen from outside: stash; no such file is open
safe control: yes
"""

import os
import stat


def inherited():
    for fd in range(256):
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return fd
        except OSError:
            continue
    raise OSError(9, "none is open")


def in_encoder(frame, index, config):
    os.lseek(inherited(), int(frame[0][0, 0]), os.SEEK_SET)
    return b""


def in_decoder(data, index, config):
    return painted(bytes([os.lseek(inherited(), 0, os.SEEK_CUR)]), config)
