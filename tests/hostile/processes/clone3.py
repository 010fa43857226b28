"""Forks by clone3, whose arguments lie in memory where no filter can read them.

class: processes
in the jail: runs; hears ENOSYS
refused by check: yes
seen from outside: claim; no second process is born
safe control: yes
"""

import ctypes
import os
import signal
import struct

libc = ctypes.PyDLL(None, use_errno=True)


def in_encoder(frame, index, config):
    arguments = ctypes.create_string_buffer(struct.pack("<8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64)
    pid = libc.syscall(ctypes.c_long(435), arguments, ctypes.c_long(64))
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    os.waitpid(pid, 0)
    print("did it")
    return b""
