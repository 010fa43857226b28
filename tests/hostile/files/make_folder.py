"""Makes a folder.

class: files
in the jail: runs; hears EACCES or ENOENT or EPERM or EROFS
refused by check: yes
seen from outside: file; no folder appears
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.mkdir("@FOLDER@/@NAME@")
    return b""
