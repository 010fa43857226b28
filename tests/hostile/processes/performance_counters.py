"""Opens the processor's counters, by which one process watches another.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; it gets none
safe control: no; many machines forbid it to everybody, and virtual ones have none
"""

import ctypes
import struct

libc = ctypes.CDLL(None, use_errno=True)
PERF_EVENT_OPEN = 298


def in_encoder(frame, index, config):
    attributes = struct.pack("<IIQQQQQ", 1, 120, 0, 0, 0, 0, 1 << 5 | 1 << 6)
    if libc.syscall(PERF_EVENT_OPEN, ctypes.create_string_buffer(attributes, 120), 0, -1, -1, 0) < 0:
        raise OSError(ctypes.get_errno(), "perf_event_open")
    print("did it")
    return b""
