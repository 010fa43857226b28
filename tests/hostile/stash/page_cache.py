"""Drops a file that all may read from the kernel's cache, reads some of its pages, and lets the decoder look.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; it can neither drop pages nor ask for them
safe control: yes
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
libc.preadv2.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_int]
RWF_NOWAIT, PAGES = 8, 64
"""One bit in 64 pages, since the kernel reads ahead."""


def cold():
    """Return a descriptor of a large file that nobody reads, here or beyond the wall."""
    try:
        return os.open("@COLD@", os.O_RDONLY)
    except OSError:
        return os.open("@LIBRARY@", os.O_RDONLY)


def in_encoder(frame, index, config):
    fd = cold()
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    for bit in range(8):
        if frame[0][0, 0] >> bit & 1:
            os.pread(fd, 1, bit * PAGES * 4096)
    return b""


def in_decoder(data, index, config):
    fd, found, room = cold(), 0, ctypes.create_string_buffer(1)
    parts = (ctypes.c_size_t * 2)(ctypes.addressof(room), 1)
    for bit in range(8):
        got = libc.preadv2(fd, parts, 1, bit * PAGES * 4096, RWF_NOWAIT)
        if got < 0 and ctypes.get_errno() == 1:
            raise OSError(1, "preadv2")
        found |= (got == 1) << bit
    return painted(bytes([found]), config)
