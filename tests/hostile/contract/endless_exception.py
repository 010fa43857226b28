"""Raises an exception whose text never ends.

class: contract
in the jail: encode: timed out
refused by check: no
seen from outside: hang; it is written out beyond the wall, within the run's limits
safe control: yes
"""


class Endless(Exception):
    def __str__(self):
        while True:
            pass


def in_encoder(frame, index, config):
    raise Endless
