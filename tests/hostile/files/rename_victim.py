"""Moves a file away.

class: files
in the jail: runs; hears EACCES or ENOENT or EPERM or EXDEV
refused by check: yes
seen from outside: file; the victim is where it was
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.rename("@VICTIM@", "@FOLDER@/@NAME@")
    return b""
