"""Reads where nothing is.

class: resources
in the jail: encode: crashed
refused by check: yes
seen from outside: fall; it is its own process that falls, and the next run is bit-exact
safe control: yes
"""

import ctypes


def in_encoder(frame, index, config):
    return ctypes.string_at(0)
