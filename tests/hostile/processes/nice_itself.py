"""Changes its own priority: its figures would be those of another machine.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it stays
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.nice(5)
    print("did it")
    return b""
