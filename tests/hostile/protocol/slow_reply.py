"""Sends its reply a byte at a time, so that no single wait is ever too long.

class: protocol
in the jail: encode: timed out
refused by check: yes
seen from outside: hang; the whole run has one deadline
safe control: yes
"""

import fcntl
import os
import stat
import time


def in_encoder(frame, index, config):
    for fd in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY:
                os.write(fd, b"P" + (1000).to_bytes(8, "little"))
                for _ in range(1000):
                    os.write(fd, b"x")
                    time.sleep(0.1)
        except OSError:
            continue
    return b""
