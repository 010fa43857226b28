"""Takes ctypes from where every array keeps it, and calls the C library.

class: bypass
in the jail: runs; hears EACCES or ENOENT
refused by check: no
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""


def in_encoder(frame, index, config):
    foreign = frame[0].ctypes._ctypes
    libc = foreign.CDLL(None, use_errno=True)
    fd = libc.open(b"@CANARY@", 0)
    if fd < 0:
        raise OSError(foreign.get_errno(), "open")
    room = foreign.create_string_buffer(4096)
    libc.read(fd, room, 4096)
    return room.raw
