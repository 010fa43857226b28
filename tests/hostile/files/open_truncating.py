"""Empties a file while it opens it for reading only: the flag is honoured without the right to write on old fences.

class: files
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: file; the victim's file is as it was
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.close(os.open("@VICTIM@", os.O_RDONLY | os.O_TRUNC))
    return b""
