"""Deletes a file.

class: files
in the jail: runs; hears EACCES or ENOENT or EPERM
refused by check: yes
seen from outside: file; the victim is there
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.unlink("@VICTIM@")
    return b""
