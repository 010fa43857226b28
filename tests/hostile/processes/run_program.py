"""Becomes another program, which makes a file.

class: processes
in the jail: runs; hears EPERM or EACCES or ENOENT
refused by check: yes
seen from outside: file; the program does not run
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.execv("/bin/sh", ["sh", "-c", "echo > @FOLDER@/@NAME@"])
