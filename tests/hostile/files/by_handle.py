"""Opens a file by its number on the disk, past every path: what the "shocker" escape from Docker did.

class: files
in the jail: runs; hears EPERM or ENOENT
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: no; the kernel wants CAP_DAC_READ_SEARCH, which no unprivileged user has
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def in_encoder(frame, index, config):
    handle = ctypes.create_string_buffer(136)
    ctypes.c_uint32.from_buffer(handle).value = 128
    mount = ctypes.c_int()
    if libc.name_to_handle_at(-100, b"@CANARY@", handle, ctypes.byref(mount), 0) < 0:
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    fd = libc.open_by_handle_at(os.open("/", os.O_RDONLY), handle, os.O_RDONLY)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "open_by_handle_at")
    return os.read(fd, 1000)
