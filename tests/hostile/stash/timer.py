"""Makes a timer while it is loaded, and writes the message into its interval.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no timer
safe control: yes
"""

import ctypes
import struct

libc = ctypes.CDLL(None, use_errno=True)


def at_load():
    fd = libc.timerfd_create(1, 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    return fd


def in_encoder(frame, index, config):
    libc.timerfd_settime(KEPT, 0, struct.pack("4q", int(frame[0][0, 0]), 0, 1000, 0), None)
    return b""


def in_decoder(data, index, config):
    room = ctypes.create_string_buffer(32)
    libc.timerfd_gettime(KEPT, room)
    return painted(bytes([struct.unpack("4q", room.raw)[0]]), config)
