"""Opens a file by io_uring, whose requests no filter of system calls sees.

idea: IOI isolate 2.6 disables io_uring; Docker, Chrome OS and gVisor deny it
class: files
in the jail: runs; hears EPERM or ENOSYS
refused by check: yes
seen from outside: claim; it gets no ring
safe control: yes
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
IO_URING_SETUP = 425


def in_encoder(frame, index, config):
    parameters = ctypes.create_string_buffer(120)
    if libc.syscall(IO_URING_SETUP, 4, parameters) < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    print("did it")
    return b""
