"""Forks by the bare system call, without glibc.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; no second process is born
safe control: yes
"""

import ctypes
import os
import signal

libc = ctypes.PyDLL(None, use_errno=True)
CLONE = 56 if os.uname().machine == "x86_64" else 220


def in_encoder(frame, index, config):
    pid = libc.syscall(ctypes.c_long(CLONE), ctypes.c_long(signal.SIGCHLD), *(ctypes.c_long(0),) * 4)
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    os.waitpid(pid, 0)
    print("did it")
    return b""
