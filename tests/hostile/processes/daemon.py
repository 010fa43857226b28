"""Starts a process in a session of its own that stays when the run, the campaign and the lab are over.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: alive; no process of its name is there afterwards
safe control: yes
"""

import ctypes
import os
import time


def in_encoder(frame, index, config):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        ctypes.CDLL(None).prctl(15, b"@NAME@", 0, 0, 0)
        time.sleep(600)
        os._exit(0)
    return b""
