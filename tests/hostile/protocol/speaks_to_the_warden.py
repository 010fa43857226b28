"""Writes a forged report into every socket that it finds while it is loaded.

class: protocol
in the jail: load: does not keep the contract
refused by check: yes
seen from outside: claim; the warden listens to no one from there
safe control: yes
"""

import os
import stat


def at_load():
    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.write(fd, b'{"about": "child", "status": 0, "cpu_s": 0.0, "peak_mib": 1.0}')
        except OSError:
            continue
        else:
            print("wrote to", fd)


def in_encoder(frame, index, config):
    print("did it")
    return b""
