"""Asks for a file's size and times without opening it: existence alone may be a secret.

class: files
in the jail: runs
refused by check: yes
seen from outside: claim; the file is not there for it
safe control: yes
not held: filtered; Landlock does not cover stat(2), so sizes and times of files are seen at this level
"""

import os


def in_encoder(frame, index, config):
    os.stat("@CANARY@")
    print("did it")
    return b""
