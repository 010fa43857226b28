"""Recurses in C until the stack is full.

idea: DMOJ judge-server, testsuite/scroll/tests/c_rte_protection_fault_linux
class: resources
in the jail: encode: crashed
refused by check: yes
seen from outside: fall; it is its own process that falls, and the next run is bit-exact
safe control: yes
"""

import sys


def in_encoder(frame, index, config):
    sys.setrecursionlimit(10**8)
    nest = []
    for _ in range(10**6):
        nest = [nest]
    return repr(nest).encode()
