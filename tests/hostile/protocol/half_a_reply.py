"""Writes half a reply and leaves with status 0.

class: protocol
in the jail: encode: left without a reply
refused by check: yes
seen from outside: taken; a reply is whole or there is none
safe control: yes
"""

import fcntl
import os
import stat


def in_encoder(frame, index, config):
    for fd in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY:
                os.write(fd, b"P" + (100).to_bytes(8, "little") + b"half")
        except OSError:
            continue
    os._exit(0)
