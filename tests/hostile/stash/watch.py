"""Watches a folder since it was loaded: opening a file in it is a message.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; it cannot watch
safe control: yes
bits: 5
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
IN_OPEN, IN_NONBLOCK = 0x20, 0o4000


def at_load():
    fd = libc.inotify_init1(IN_NONBLOCK)
    if fd < 0 or libc.inotify_add_watch(fd, b"@FOLDER@", IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    return fd


def in_encoder(frame, index, config):
    for turn in range(int(frame[0][0, 0]) & 31):
        os.close(os.open("@FOLDER@/canary" if turn % 2 else "@VICTIM@", os.O_RDONLY))  # equal ones would be one event
    return b""


def in_decoder(data, index, config):
    try:
        events = os.read(KEPT, 1 << 16)
    except BlockingIOError:
        events = b""
    return painted(bytes([len(events) // 32]), config)
