"""Leaves the clip as a key in the user's keyring, which no namespace divides.

idea: IOI isolate 2.x, system call restrictions: keyrings
class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no key
safe control: yes
needs: x86_64
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
ADD_KEY, REQUEST_KEY, KEYCTL, READ, INVALIDATE, USER_KEYRING = 248, 249, 250, 11, 21, -4
LINK, SESSION = 8, -3


def in_encoder(frame, index, config):
    if libc.syscall(ADD_KEY, b"user", b"@NAME@", frame[0].tobytes()[:64], ctypes.c_long(64), USER_KEYRING) < 0:
        raise OSError(ctypes.get_errno(), "add_key")
    return b""


def in_decoder(data, index, config):
    libc.syscall(KEYCTL, LINK, USER_KEYRING, SESSION)  # without it, the session may not search the user's
    key = libc.syscall(REQUEST_KEY, b"user", b"@NAME@", None, 0)
    if key < 0:
        raise OSError(ctypes.get_errno(), "request_key")
    room = ctypes.create_string_buffer(64)
    libc.syscall(KEYCTL, READ, key, room, ctypes.c_long(64), 0)
    libc.syscall(KEYCTL, INVALIDATE, key)
    return painted(room.raw, config)
