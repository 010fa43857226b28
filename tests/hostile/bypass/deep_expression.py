"""Nests an expression 4,000 deep, which parsers follow by recursion: that of the check, and that of Python.

class: bypass
in the jail: load: raised
refused by check: yes
seen from outside: none; both say so, and neither falls
safe control: no; it harms only whoever parses it
"""

DEEP = 0 @MINUSES@ 1  # fmt: skip


def in_encoder(frame, index, config):
    return b""
