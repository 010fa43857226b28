"""Takes ctypes from numpy's own door to it, and asks the kernel for a connection.

class: bypass
in the jail: runs; hears EPERM or EACCES
refused by check: yes
seen from outside: contact; the listener hears nothing
safe control: yes
"""

from numpy import ctypeslib

AF_INET, SOCK_DGRAM = 2, 2


def in_encoder(frame, index, config):
    foreign = ctypeslib.ctypes
    libc = foreign.CDLL(None, use_errno=True)
    fd = libc.socket(AF_INET, SOCK_DGRAM, 0)
    address = AF_INET.to_bytes(2, "little") + int("@UDP@").to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    if fd < 0 or libc.sendto(fd, b"@NAME@", len("@NAME@"), 0, address, len(address)) < 0:
        raise OSError(foreign.get_errno(), "sendto")
    return b""
