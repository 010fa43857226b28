"""Writes a second reply into the pipe beside its own.

class: protocol
in the jail: encode: broke the protocol
refused by check: yes
seen from outside: taken; a reply that comes before its request ends the run
safe control: yes
"""

import fcntl
import os
import stat

REPLY = b"P" + (6).to_bytes(8, "little") + b"forged"


def in_encoder(frame, index, config):
    for fd in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY:
                os.write(fd, REPLY)
        except OSError:
            continue
    return b"honest"
