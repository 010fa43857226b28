"""Starts 200 threads.

class: resources
in the jail: encode: raised
refused by check: yes
seen from outside: claim; it cannot start one
safe control: yes
"""

import threading
import time


def in_encoder(frame, index, config):
    for _ in range(200):
        threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start()
    print("did it")
    return b""
