"""Uses up process numbers: 300 processes that sleep.

class: resources
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it gets none
safe control: yes
"""

import os
import time


def in_encoder(frame, index, config):
    pids = []
    for _ in range(300):
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
            os._exit(0)
        pids.append(pid)
    print("did it")
    for pid in pids:
        os.kill(pid, 9)
    return b""
