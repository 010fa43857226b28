"""Changes what the kernel knows of it: makes orphans its own, lets everybody trace it.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; none of the options can be set
safe control: yes
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_PTRACER = 4, 36, 0x59616D61


def in_encoder(frame, index, config):
    refused = 0
    for option, value in ((PR_SET_DUMPABLE, 1), (PR_SET_CHILD_SUBREAPER, 1), (PR_SET_PTRACER, -1)):
        if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0:
            print("did it")
        else:
            refused = ctypes.get_errno()
    if refused:
        raise OSError(refused, "prctl")
    return b""
