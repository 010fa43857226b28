"""Kills another process of the same user.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: victim; it is alive
safe control: yes
"""

import os
import signal


def in_encoder(frame, index, config):
    os.kill(int("@PID@"), signal.SIGKILL)
    return b""
