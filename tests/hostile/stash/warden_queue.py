"""Fills the socket of the warden, which the nursery keeps: how much is in it the next run can measure.

class: stash
in the jail: encode: left without a reply, or encode: broke the protocol, or encode: does not keep the contract,
    or decode: does not keep the contract
refused by check: yes
seen from outside: stash; who has written to that socket comes to no second run
safe control: yes
bits: 4
"""

import os
import stat


def sockets():
    found = []
    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                found.append(fd)
        except OSError:
            continue
    return found


def at_load():
    return [os.dup(fd) for fd in ()]


def room(fd):
    os.set_blocking(fd, False)
    count = 0
    try:
        while os.write(fd, b"x"):
            count += 1
    except OSError:
        return count


def in_encoder(frame, index, config):
    for _ in range(int(frame[0][0, 0]) & 15):
        os.write(sockets()[0], b"x")
    return b""


def in_decoder(data, index, config):
    return painted(bytes([room(sockets()[0]) & 15]), config)
