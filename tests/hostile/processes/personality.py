"""Switches off the randomisation of its addresses, and makes data executable.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; its personality stays
safe control: yes
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC = 0x0040000, 0x0400000


def in_encoder(frame, index, config):
    if libc.personality(ctypes.c_ulong(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC)) < 0:
        raise OSError(ctypes.get_errno(), "personality")
    print("did it")
    return b""
