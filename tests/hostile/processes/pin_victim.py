"""Binds another process to one processor.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: victim; it may run on all processors
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.sched_setaffinity(int("@PID@"), {0})
    return b""
