"""Makes a socket by the x32 call: the same architecture to a filter, but other numbers.

idea: firejail issue 87, kafel issue 19
class: network
in the jail: encode: crashed
refused by check: yes
seen from outside: claim; the kernel ends it at the first such call
safe control: no; hardly a kernel has x32 any more
needs: x86_64
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)


def in_encoder(frame, index, config):
    if libc.syscall(ctypes.c_long(0x40000000 | 41), 2, 1, 0) >= 0:
        print("did it")
    return b""
