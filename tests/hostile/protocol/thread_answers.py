"""Starts a thread that goes on sending replies when the encoder has returned.

class: protocol
in the jail: encode: raised
refused by check: yes
seen from outside: taken; it cannot start a thread
safe control: yes
"""

import sys
import threading


def in_encoder(frame, index, config):
    at = sys._getframe()
    while "pipe" not in at.f_locals:
        at = at.f_back
    threading.Thread(target=at.f_locals["pipe"].send, args=(b"P", b"forged")).start()
    return b"honest"
