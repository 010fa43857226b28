"""Types into the terminal that the lab was started from; once plainly, once with bits set above the 32nd.

idea: bubblewrap issue 142 (CVE-2017-5226) and CVE-2019-10063
class: processes
in the jail: runs; hears EPERM or ENXIO or EACCES or ENOENT
refused by check: yes
seen from outside: claim; it has no terminal, and the call is refused
safe control: no; it would type into the terminal of whoever runs the tests
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
TIOCSTI = 0x5412


def in_encoder(frame, index, config):
    for number in (TIOCSTI, TIOCSTI | 1 << 32):
        if libc.ioctl(ctypes.c_int(0), ctypes.c_ulong(number), b"x") == 0:
            print("did it")
        elif ctypes.get_errno() != 1:
            print("reached the device: errno", ctypes.get_errno())
    os.close(os.open("/dev/tty", os.O_RDWR))
    print("did it")
    return b""
