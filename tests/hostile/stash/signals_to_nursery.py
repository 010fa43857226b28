"""Tells the nursery by a signal; its handler keeps the number, and the next run inherits it.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; the nursery is told nothing
safe control: yes
bits: 4
"""

import os
import signal

NURSERY, TOLD = os.getpid(), [0]


def keep(number, at):
    TOLD[0] = number - signal.SIGRTMIN


for number in range(signal.SIGRTMIN, signal.SIGRTMIN + 16):
    signal.signal(number, keep)


def in_encoder(frame, index, config):
    os.kill(NURSERY, signal.SIGRTMIN + (int(frame[0][0, 0]) & 15))
    return b""


def in_decoder(data, index, config):
    return painted(bytes([TOLD[0]]), config)
