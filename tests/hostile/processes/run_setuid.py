"""Runs a program that becomes root by its mode.

class: processes
in the jail: runs; hears EPERM or ENOENT or ENOSYS
refused by check: yes
seen from outside: claim; the program does not run
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    pid = os.posix_spawn("/usr/bin/passwd", ["passwd", "--help"], {})
    os.waitpid(pid, 0)
    print("did it")
    return b""
