"""Forks into a user namespace by a flag of clone, where no unshare is to be seen.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; no process is born
safe control: yes
"""

import ctypes
import os
import signal

libc = ctypes.PyDLL(None, use_errno=True)
CLONE = 56 if os.uname().machine == "x86_64" else 220
CLONE_NEWUSER = 0x10000000


def in_encoder(frame, index, config):
    flags = ctypes.c_long(CLONE_NEWUSER | signal.SIGCHLD)
    pid = libc.syscall(ctypes.c_long(CLONE), flags, *(ctypes.c_long(0),) * 4)
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    os.waitpid(pid, 0)
    print("did it")
    return b""
