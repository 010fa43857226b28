"""Signals one thread of another process by tgkill.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: victim; it is alive
safe control: yes
needs: x86_64
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
TGKILL = 234


def in_encoder(frame, index, config):
    if libc.syscall(TGKILL, int("@PID@"), int("@PID@"), 9) < 0:
        raise OSError(ctypes.get_errno(), "tgkill")
    return b""
