"""Kills the process that it was forked from, whose pid it has noted while it was loaded.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: fall; the nursery goes on, and codes the next clip bit-exactly
safe control: yes
"""

import os
import signal

NURSERY = os.getpid()


def in_encoder(frame, index, config):
    os.kill(NURSERY, signal.SIGKILL)
    return b""
