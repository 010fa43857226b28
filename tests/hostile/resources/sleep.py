"""Sleeps for ever, and uses no CPU time at all.

class: resources
in the jail: encode: timed out
refused by check: yes
seen from outside: hang; it is ended by the lab's clock
safe control: yes
"""

import time


def in_encoder(frame, index, config):
    time.sleep(100_000)
    return b""
