"""Lets the kernel kill: makes another process the owner of its reply pipe, and asks for SIGKILL when it moves.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: victim; it is alive
safe control: yes
"""

import fcntl
import os
import signal

F_SETOWN, F_SETSIG, F_SETFL = 8, 10, 4


def in_encoder(frame, index, config):
    fcntl.fcntl(1, F_SETOWN, int("@PID@"))
    fcntl.fcntl(1, F_SETSIG, int(signal.SIGKILL))
    fcntl.fcntl(1, F_SETFL, os.O_WRONLY | os.O_ASYNC)
    for _ in range(20):
        print("x" * 5000)
    return b""
