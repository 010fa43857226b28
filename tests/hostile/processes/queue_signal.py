"""Signals another process by rt_sigqueueinfo, which filters on kill(2) forget.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: victim; it is alive
safe control: yes
needs: x86_64
"""

import ctypes
import struct

libc = ctypes.CDLL(None, use_errno=True)
RT_SIGQUEUEINFO, SI_QUEUE = 129, -1


def in_encoder(frame, index, config):
    info = ctypes.create_string_buffer(struct.pack("<iii", 9, 0, SI_QUEUE), 128)
    if libc.syscall(RT_SIGQUEUEINFO, int("@PID@"), 9, info) < 0:
        raise OSError(ctypes.get_errno(), "rt_sigqueueinfo")
    return b""
