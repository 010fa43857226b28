"""Announces a reply of 16 exabytes, so that whoever makes room for it falls.

class: protocol
in the jail: encode: too large
refused by check: yes
seen from outside: taken; the length is compared before any room is made
safe control: yes
"""

import fcntl
import os
import stat


def in_encoder(frame, index, config):
    for fd in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY:
                os.write(fd, b"P" + b"\xff" * 8)
        except OSError:
            continue
    return b""
