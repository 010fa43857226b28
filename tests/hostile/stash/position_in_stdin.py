"""Winds its standard input and output: where they are files, all its runs share their position.

class: stash
in the jail: runs
refused by check: yes
seen from outside: stash; they are a device without a position, and pipes
safe control: no; only a lab that runs candidates on files shows it
"""

import os


def in_encoder(frame, index, config):
    for fd in (0, 1, 2):
        try:
            os.lseek(fd, int(frame[0][0, 0]), os.SEEK_SET)
        except OSError:
            continue
    return b""


def in_decoder(data, index, config):
    found = 0
    for fd in (0, 1, 2):
        try:
            found |= os.lseek(fd, 0, os.SEEK_CUR)
        except OSError:
            continue
    return painted(bytes([found]), config)
