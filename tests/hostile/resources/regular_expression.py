"""Matches a pattern that takes years, inside one call that never comes back to Python.

class: resources
in the jail: encode: timed out
refused by check: no
seen from outside: hang; the kernel ends it at its CPU limit
safe control: yes
"""

import re


def in_encoder(frame, index, config):
    re.match(r"(a+)+$", "a" * 60 + "b")
    return b""
