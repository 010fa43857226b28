"""Forks with the very flags that the nursery uses, from a run and not from the nursery.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; the warden, who is asked, says no
safe control: yes
"""

import ctypes
import os
import signal

libc = ctypes.PyDLL(None, use_errno=True)
CLONE = 56 if os.uname().machine == "x86_64" else 220
CLONE_PARENT = 0x8000


def in_encoder(frame, index, config):
    flags = ctypes.c_long(CLONE_PARENT | signal.SIGCHLD)
    pid = libc.syscall(ctypes.c_long(CLONE), flags, *(ctypes.c_long(0),) * 4)
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    print("did it")
    return b""
