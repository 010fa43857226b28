"""Raises an exception that raises another when it is asked for its text.

class: contract
in the jail: encode: raised
refused by check: no
seen from outside: none; its type is told
safe control: no; it harms only itself
"""


class Mute(Exception):
    def __str__(self):
        raise SystemExit(0)


def in_encoder(frame, index, config):
    raise Mute
