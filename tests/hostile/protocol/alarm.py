"""Sets a timer whose handler sends a reply while the worker waits for the next frame.

class: protocol
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it gets no timer
safe control: yes
"""

import signal
import time


def in_encoder(frame, index, config):
    signal.signal(signal.SIGALRM, lambda *ignored: print("did it"))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(0.1)
    return b""
