"""Signals every process that it may signal, with signal 0, which only asks whether it could.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: claim; there is none
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.kill(-1, 0)
    print("did it")
    return b""
