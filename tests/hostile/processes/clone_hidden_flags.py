"""Forks with the nursery's flags and others in the upper half of the argument, which a filter may not look at.

idea: CVE-2019-10063 (bubblewrap and Flatpak): a filter compared 32 bits of an argument of 64
class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; no process is born
safe control: no; the kernel ignores the upper half, so this is clone_as_nursery without the jail
"""

import ctypes
import os
import signal

libc = ctypes.PyDLL(None, use_errno=True)
CLONE = 56 if os.uname().machine == "x86_64" else 220


def in_encoder(frame, index, config):
    flags = ctypes.c_long(1 << 32 | 0x8000 | signal.SIGCHLD)
    pid = libc.syscall(ctypes.c_long(CLONE), flags, *(ctypes.c_long(0),) * 4)
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    print("did it")
    return b""
