"""Keeps a file open that it may read: where it has been read to is the same for all who inherit it.

class: stash
in the jail: load: does not keep the contract
refused by check: yes
seen from outside: stash; whoever keeps a file open after loading does not come to a run
safe control: yes
"""

import os


def readable():
    """Return a descriptor of a file that it may read, here or beyond the wall."""
    try:
        return os.open("@CANARY@", os.O_RDONLY)
    except OSError:
        return os.open(os.__file__, os.O_RDONLY)


def at_load():
    return readable()


def in_encoder(frame, index, config):
    os.lseek(KEPT, int(frame[0][0, 0]), os.SEEK_SET)
    return b""


def in_decoder(data, index, config):
    return painted(bytes([os.lseek(KEPT, 0, os.SEEK_CUR)]), config)
