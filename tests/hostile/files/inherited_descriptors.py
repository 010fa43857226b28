"""Reads every regular file that a careless lab has left open for it.

class: files
in the jail: runs
refused by check: yes
seen from outside: leak; no descriptor leads to the canary that this lab keeps open
safe control: yes
"""

import os
import stat


def in_encoder(frame, index, config):
    found = b""
    for fd in range(256):
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                found += os.pread(fd, 10000, 0)
        except OSError:
            continue
    return found
