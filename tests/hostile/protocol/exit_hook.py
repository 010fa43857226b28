"""Registers a function that runs when its process ends, after every check.

class: protocol
in the jail: runs
refused by check: yes
seen from outside: claim; the worker leaves without hooks
safe control: no; it shows only in a worker that ends as programs usually do
"""

import atexit


def in_encoder(frame, index, config):
    atexit.register(print, "did it")
    return b""
