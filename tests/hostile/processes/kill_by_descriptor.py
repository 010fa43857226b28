"""Signals another process through a descriptor of it.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: victim; it is alive
safe control: yes
"""

import os
import signal


def in_encoder(frame, index, config):
    signal.pidfd_send_signal(os.pidfd_open(int("@PID@")), signal.SIGKILL)
    return b""
