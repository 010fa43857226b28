"""Reads what its parent's children have used: CPU time is a message.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; the kernel does not tell
safe control: no; the warden's children are the nursery's brothers, and only their parent could count them
"""

import resource


def in_encoder(frame, index, config):
    for _ in range(int(frame[0][0, 0]) * 1000):
        pass
    return b""


def in_decoder(data, index, config):
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return painted(bytes([int(1e6 * used.ru_utime) & 255]), config)
