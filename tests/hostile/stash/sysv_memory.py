"""Makes System V shared memory, which lives until somebody removes it.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no such memory
safe control: yes
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
KEY = int("@NAME@"[1:8], 16)
IPC_CREAT, IPC_RMID = 0o1000, 0


def attached():
    number = libc.shmget(KEY, 4096, IPC_CREAT | 0o600)
    if number < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    return number, libc.shmat(number, None, 0)


def in_encoder(frame, index, config):
    ctypes.memmove(attached()[1], frame[0].tobytes(), 64)
    return b""


def in_decoder(data, index, config):
    number, address = attached()
    found = ctypes.string_at(address, 64)
    libc.shmctl(number, IPC_RMID, None)
    return painted(found, config)
