"""Replaces os._exit, so that a child does not leave but goes on as if it were the nursery.

class: protocol
in the jail: runs, or encode: left without a reply
refused by check: yes
seen from outside: alive; no process is left
safe control: no; there is no socket for it to go on with
"""

import os


def in_encoder(frame, index, config):
    os._exit = lambda status: None
    return b""
