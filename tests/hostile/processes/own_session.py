"""Leaves its session and process group, by which a lab may want to end it.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it stays in its group
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.setpgid(0, 0)
    print("did it")
    return b""
