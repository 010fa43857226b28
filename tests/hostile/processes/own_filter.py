"""Installs a filter of its own, which answers for the kernel: with it, it can lie to what runs in its process.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it gets none
safe control: yes
needs: x86_64
"""

import ctypes
import struct

libc = ctypes.CDLL(None, use_errno=True)
SECCOMP, PR_SET_NO_NEW_PRIVS = 317, 38


class Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def in_encoder(frame, index, config):
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    steps = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000), 8)  # allow everything
    if libc.syscall(SECCOMP, 1, 0, ctypes.byref(Filter(1, ctypes.addressof(steps)))) < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    print("did it")
    return b""
