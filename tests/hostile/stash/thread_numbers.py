"""Starts threads until the next process's number ends in the message: threads are counted with processes.

class: stash
in the jail: encode: raised
refused by check: yes
seen from outside: stash; it cannot start a thread
safe control: yes
bits: 3
"""

import os
import threading


def in_encoder(frame, index, config):
    wanted = (int(frame[0][0, 0]) - 1) & 7
    while True:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        if thread.native_id & 7 == wanted:
            return b""


def in_decoder(data, index, config):
    return painted(bytes([os.getpid() & 7]), config)
