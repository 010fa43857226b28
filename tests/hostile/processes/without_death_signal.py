"""Asks the kernel not to end it with its parent, while it is loaded.

class: processes
in the jail: runs
refused by check: yes
seen from outside: alive; when the nursery is closed nothing of it is left
safe control: no; it shows only where a lab dies and leaves it behind
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def at_load():
    libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)


def in_encoder(frame, index, config):
    at_load()
    return b""
