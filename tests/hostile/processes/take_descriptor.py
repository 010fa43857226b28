"""Takes an open file out of another process.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: claim; it gets none
safe control: yes
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
PIDFD_GETFD = 438


def in_encoder(frame, index, config):
    if libc.syscall(PIDFD_GETFD, os.pidfd_open(int("@PID@")), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    print("did it")
    return b""
