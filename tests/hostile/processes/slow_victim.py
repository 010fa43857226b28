"""Makes another process the least of all: lowest priority, one processor, last in line for the disk.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: victim; its priority is as it was
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.setpriority(os.PRIO_PROCESS, int("@PID@"), 19)
    return b""
