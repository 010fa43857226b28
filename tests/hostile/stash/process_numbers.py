"""Forks until the next process's number ends in the message: the decoder has it.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; it cannot count on
safe control: yes
bits: 3
"""

import os


def in_encoder(frame, index, config):
    wanted = (int(frame[0][0, 0]) - 1) & 7
    while True:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        if pid & 7 == wanted:
            return b""


def in_decoder(data, index, config):
    return painted(bytes([os.getpid() & 7]), config)
