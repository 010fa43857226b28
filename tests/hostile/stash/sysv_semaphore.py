"""Makes a System V semaphore, whose value lives until somebody removes it.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no semaphore
safe control: yes
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
KEY = int("@NAME@"[1:8], 16)
IPC_CREAT, IPC_RMID, SETVAL, GETVAL = 0o1000, 0, 16, 12


def semaphore():
    number = libc.semget(KEY, 1, IPC_CREAT | 0o600)
    if number < 0:
        raise OSError(ctypes.get_errno(), "semget")
    return number


def in_encoder(frame, index, config):
    libc.semctl(semaphore(), 0, SETVAL, int(frame[0][0, 0]))
    return b""


def in_decoder(data, index, config):
    number = semaphore()
    found = libc.semctl(number, 0, GETVAL)
    libc.semctl(number, 0, IPC_RMID)
    return painted(bytes([found]), config)
