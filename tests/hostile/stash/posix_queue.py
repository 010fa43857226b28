"""Leaves the clip in a POSIX message queue.

class: stash
in the jail: runs; hears EPERM or ENOSYS
refused by check: yes
seen from outside: stash; there is no queue
safe control: yes
needs: x86_64
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
MQ_OPEN, MQ_UNLINK, MQ_TIMEDSEND, MQ_TIMEDRECEIVE = 240, 241, 242, 243


def queue():
    attributes = (ctypes.c_long * 8)(0, 4, 64)
    fd = libc.syscall(MQ_OPEN, b"@NAME@", os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, 0o600, attributes)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "mq_open")
    return fd


def in_encoder(frame, index, config):
    libc.syscall(MQ_TIMEDSEND, queue(), frame[0].tobytes()[:64], ctypes.c_long(64), 0, None)
    return b""


def in_decoder(data, index, config):
    room = ctypes.create_string_buffer(64)
    libc.syscall(MQ_TIMEDRECEIVE, queue(), room, ctypes.c_long(64), None, None)
    libc.syscall(MQ_UNLINK, b"@NAME@")
    return painted(room.raw, config)
