"""Takes memory in many processes, each below the limit of one.

class: resources
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; no process is born
safe control: no; it would take the machine's memory
"""

import os
import time


def in_encoder(frame, index, config):
    for _ in range(1000):
        if os.fork() == 0:
            kept = b"\1" * (100 << 20)
            time.sleep(len(kept))
    print("did it")
    return b""
