"""Raises its own limit on CPU time and uses four times what it may, then answers as if nothing were.

class: resources
in the jail: encode: timed out
refused by check: yes
seen from outside: taken; the seconds that the kernel has counted are compared with the limit
safe control: yes
"""

import resource
import time


def in_encoder(frame, index, config):
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
    while time.process_time() < 1.7:
        pass
    return honest_encoder(frame, index, config)
