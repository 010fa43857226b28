"""Kills its whole process group, in which its warden and its nursery are.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: fall; the nursery goes on, and codes the next clip bit-exactly
safe control: yes
"""

import os
import signal


def in_encoder(frame, index, config):
    os.kill(0, signal.SIGKILL)
    return b""
