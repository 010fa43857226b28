"""Writes the message into a file that the kernel keeps of the nursery, and that its children inherit.

class: stash
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: stash; the nursery's score stays
safe control: yes
"""

import os

NURSERY = os.getpid()


def in_encoder(frame, index, config):
    with open(f"/proc/{NURSERY}/oom_score_adj", "w") as file:
        file.write(str(int(frame[0][0, 0])))
    return b""


def in_decoder(data, index, config):
    with open("/proc/self/oom_score_adj") as file:
        return painted(bytes([int(file.read())]), config)
