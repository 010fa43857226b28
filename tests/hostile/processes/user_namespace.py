"""Becomes root of a user namespace of its own, where large parts of the kernel are open that were closed.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it gets no namespace
safe control: yes
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER = 0x10000000


def in_encoder(frame, index, config):
    if libc.unshare(CLONE_NEWUSER) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
    print("did it")
    return b""
