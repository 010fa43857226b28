"""Fills the socket of the warden, which the nursery keeps: how much is in it the next run can measure.

class: stash
in the jail: decode: does not keep the contract
refused by check: yes
seen from outside: stash; who has written to that socket comes to no second run
safe control: yes
bits: 4
"""

import fcntl
import os
import struct

import worker

KEEP = []
real_child = worker.child
SIOCOUTQ = 0x5411


def child(program, control, *others):
    KEEP.append(os.dup(control.fileno()))
    real_child(program, control, *others)


worker.child = child


def waiting():
    return struct.unpack("i", fcntl.ioctl(KEEP[0], SIOCOUTQ, bytes(4)))[0]


def one_more():
    """Write one message; return what it weighs."""
    before = waiting()
    os.write(KEEP[0], b"x")
    return waiting() - before


def in_encoder(frame, index, config):
    os.write(KEEP[0], b"x")
    weight = one_more()
    while waiting() // weight & 15 != frame[0][0, 0] & 15:
        os.write(KEEP[0], b"x")
    return b""


def in_decoder(data, index, config):
    found = waiting()
    return painted(bytes([found // one_more() & 15]), config)
