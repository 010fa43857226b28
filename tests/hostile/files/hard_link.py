"""Gives a file of its own user a second name, which outlives the first.

class: files
in the jail: runs; hears EACCES or ENOENT or EPERM or EXDEV
refused by check: yes
seen from outside: file; the victim has one name
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.link("@VICTIM@", "@FOLDER@/@NAME@")
    return b""
