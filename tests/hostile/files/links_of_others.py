"""Reads where the links in another process's /proc folder lead: its program, its folder, its open files.

class: files
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: claim; the kernel does not tell
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.readlink("/proc/@PID@/exe")
    print("did it")
    return b""
