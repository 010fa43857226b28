"""Lets an array write itself to a file: its class is numpy's, the array is nobody's.

class: bypass
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: no
seen from outside: file; no file appears
safe control: yes
"""


def in_encoder(frame, index, config):
    frame[0].dump("@FOLDER@/@NAME@")
    return b""
