"""Keeps data in pipes, which no limit on its own address space counts.

class: resources
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it gets no pipe
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    for _ in range(100):
        read, write = os.pipe()
        os.set_blocking(write, False)
        os.write(write, bytes(1 << 16))
    print("did it")
    return b""
