"""Holds 100 KiB in constants that are each below the limit.

class: baked
in the jail: runs
refused by check: no
seen from outside: none; the source as a whole is capped, and its size is told
safe control: no; it does no harm
"""

TABLES = ["@QUARTER@", "@QUARTER@"]


def in_encoder(frame, index, config):
    return "".join(TABLES).encode()[:1000]
