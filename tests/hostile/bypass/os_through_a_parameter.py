"""Reaches os in a module that is allowed: nobody can tell which module a parameter is.

The check follows aliases, and refuses random._os; it does not follow calls.

class: bypass
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: no
seen from outside: file; no file appears
safe control: yes
"""

import random


def system_of(library):
    return library._os


def in_encoder(frame, index, config):
    system = system_of(random)
    fd = system.open("@FOLDER@/@NAME@", system.O_CREAT | system.O_WRONLY)
    system.write(fd, b"was here")
    return b""
