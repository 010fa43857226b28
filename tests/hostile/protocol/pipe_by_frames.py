"""Walks up the stack to the worker's pipe and sends a reply of its own.

class: protocol
in the jail: encode: broke the protocol
refused by check: yes
seen from outside: taken; a second reply ends the run
safe control: yes
"""

import sys


def in_encoder(frame, index, config):
    at = sys._getframe()
    while "pipe" not in at.f_locals:
        at = at.f_back
    at.f_locals["pipe"].send(b"P", b"forged")
    return b"honest"
