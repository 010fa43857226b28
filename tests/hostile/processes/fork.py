"""Forks: two processes could share a run, and one could outlive it.

idea: Piston, tests/fork.py
class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; no second process is born
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    print("did it")
    return b""
