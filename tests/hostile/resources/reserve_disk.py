"""Reserves a gigabyte on the disk without writing it.

idea: Piston, tests/fallocate.py
class: resources
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: file; no file appears
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    with open("@FOLDER@/@NAME@", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 30)
    return b""
