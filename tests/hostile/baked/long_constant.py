"""Holds one constant of 70 KiB.

class: baked
in the jail: runs
refused by check: yes
seen from outside: none; a constant's size is capped before anything runs
safe control: no; it does no harm
"""

TABLE = "@CONSTANT@"


def in_encoder(frame, index, config):
    return TABLE.encode()[:1000]
