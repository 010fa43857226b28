"""Empties a file by its path, without opening it.

class: files
in the jail: runs; hears EACCES or ENOENT or EPERM
refused by check: yes
seen from outside: file; the victim's file is as it was
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.truncate("@VICTIM@", 0)
    return b""
