"""Writes the message into a limit of the nursery, which every later run inherits.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; the nursery's limits stay
safe control: yes
"""

import os
import resource

NURSERY = os.getpid()


def in_encoder(frame, index, config):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.prlimit(NURSERY, resource.RLIMIT_NOFILE, (512 + int(frame[0][0, 0]), hard))
    return b""


def in_decoder(data, index, config):
    return painted(bytes([resource.getrlimit(resource.RLIMIT_NOFILE)[0] & 255]), config)
