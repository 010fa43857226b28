"""Raises its own limit on CPU time, ignores the signal that tells of it, and computes for ever.

class: resources
in the jail: encode: timed out
refused by check: yes
seen from outside: hang; it is ended by the lab's clock
safe control: yes
"""

import resource
import signal


def in_encoder(frame, index, config):
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
    while True:
        pass
