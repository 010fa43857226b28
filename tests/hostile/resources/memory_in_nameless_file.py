"""Keeps data in a file in memory, which no limit on its own address space counts.

class: resources
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it gets no such file
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    fd = os.memfd_create("hoard")
    for _ in range(320):
        os.write(fd, bytes(1 << 20))
    print("did it")
    return b""
