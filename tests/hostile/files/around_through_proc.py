"""Reads the canary by other ways to the same file: /proc/self/root, /proc/PID/root and a folder's descriptor.

class: files
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    found, refused = b"", None
    top = os.open("/", os.O_PATH)
    ways = (
        lambda: os.open("/proc/self/root@CANARY@", os.O_RDONLY),
        lambda: os.open("/proc/@PID@/root@CANARY@", os.O_RDONLY),
        lambda: os.open("@CANARY@"[1:], os.O_RDONLY, dir_fd=top),
    )
    for way in ways:
        try:
            found += os.read(way(), 1000)
        except OSError as error:
            refused = error
    if refused and not found:
        raise refused
    return found
