"""Leaves at once with status 0, and without a reply.

class: protocol
in the jail: encode: left without a reply
refused by check: yes
seen from outside: taken; an exit status means nothing
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os._exit(0)
