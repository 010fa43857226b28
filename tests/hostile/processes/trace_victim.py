"""Traces another process, and asks that it die with the tracer.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: victim; it sleeps on
safe control: yes
needs: x86_64
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
PTRACE, SEIZE, EXITKILL = 101, 0x4206, 0x100000


def in_encoder(frame, index, config):
    if libc.syscall(PTRACE, SEIZE, ctypes.c_long(int("@PID@")), ctypes.c_long(0), ctypes.c_long(EXITKILL)) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    return b""
