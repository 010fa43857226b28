"""Handles its own page faults: with it, exploits win races in the kernel.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it gets no descriptor
safe control: yes
needs: x86_64
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
USERFAULTFD, USER_MODE_ONLY = 323, 1


def in_encoder(frame, index, config):
    if libc.syscall(USERFAULTFD, USER_MODE_ONLY) < 0:
        raise OSError(ctypes.get_errno(), "userfaultfd")
    print("did it")
    return b""
