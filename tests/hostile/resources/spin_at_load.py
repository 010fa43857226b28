"""Computes for ever while it is loaded.

class: resources
in the jail: load: timed out
refused by check: no
seen from outside: hang; the kernel ends it at its CPU limit
safe control: yes
"""


def at_load():
    while True:
        pass
