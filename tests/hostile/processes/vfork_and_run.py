"""Starts a program by posix_spawn, which forks by vfork.

class: processes
in the jail: runs; hears EPERM or ENOSYS
refused by check: yes
seen from outside: file; the program, which would make a file, does not run
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "echo > @FOLDER@/@NAME@"], {})
    os.waitpid(pid, 0)
    return b""
