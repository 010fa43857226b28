"""Lowers another process's limits until it can open nothing any more.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: victim; its limits are as they were
safe control: yes
"""

import resource


def in_encoder(frame, index, config):
    resource.prlimit(int("@PID@"), resource.RLIMIT_NOFILE, (3, 3))
    return b""
