"""Keeps the nursery's output pipe under another number, and nothing else: it may be useful.

class: stash
in the jail: load: does not keep the contract
refused by check: yes
seen from outside: none; what is open after loading is compared with what was open before
safe control: no; alone it does no harm
"""

import os


def at_load():
    return os.dup(1)


def in_encoder(frame, index, config):
    return b""
