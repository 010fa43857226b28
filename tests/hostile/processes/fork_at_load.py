"""Forks while it is loaded, before any run was asked for: a second nursery would be nobody's.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: alive; no process is left
safe control: yes
"""

import ctypes
import os
import signal
import time

libc = ctypes.PyDLL(None, use_errno=True)
CLONE = 56 if os.uname().machine == "x86_64" else 220
CLONE_PARENT = 0x8000


def at_load():
    flags = ctypes.c_long(CLONE_PARENT | signal.SIGCHLD)
    pid = libc.syscall(ctypes.c_long(CLONE), flags, *(ctypes.c_long(0),) * 4)
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")


def in_encoder(frame, index, config):
    return b""
