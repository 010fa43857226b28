"""Leaves the clip in a System V message queue.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no queue
safe control: yes
"""

import ctypes
import struct

libc = ctypes.CDLL(None, use_errno=True)
KEY = int("@NAME@"[1:8], 16)
IPC_CREAT, IPC_RMID, IPC_NOWAIT = 0o1000, 0, 0o4000


def queue():
    number = libc.msgget(KEY, IPC_CREAT | 0o600)
    if number < 0:
        raise OSError(ctypes.get_errno(), "msgget")
    return number


def in_encoder(frame, index, config):
    libc.msgsnd(queue(), struct.pack("q", 1) + frame[0].tobytes()[:64], 64, IPC_NOWAIT)
    return b""


def in_decoder(data, index, config):
    number, room = queue(), ctypes.create_string_buffer(72)
    libc.msgrcv(number, room, 64, ctypes.c_long(0), IPC_NOWAIT)
    libc.msgctl(number, IPC_RMID, None)
    return painted(room.raw[8:], config)
