"""Computes for ever.

class: resources
in the jail: encode: timed out
refused by check: no
seen from outside: hang; the kernel ends it at its CPU limit
safe control: yes
"""


def in_encoder(frame, index, config):
    while True:
        pass
