"""Prints the environment, in which a lab that calls a model has its key.

class: files
in the jail: runs
refused by check: yes
seen from outside: leak; the key that stands in this process's environment does not come out
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    return repr(sorted(os.environ.items())).encode()
