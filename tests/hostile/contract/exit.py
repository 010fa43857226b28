"""Leaves by SystemExit with status 0, as if all were well.

class: contract
in the jail: encode: raised
refused by check: yes
seen from outside: taken; only a reply is a result
safe control: yes
"""

import sys


def in_encoder(frame, index, config):
    sys.exit(0)
