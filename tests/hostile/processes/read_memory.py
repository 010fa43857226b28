"""Reads another process's memory by process_vm_readv: the page with its environment.

class: processes
in the jail: runs; hears EPERM or ESRCH
refused by check: yes
seen from outside: leak; the key in the other's environment does not come out
safe control: yes
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)


def in_encoder(frame, index, config):
    try:
        with open("/proc/@PID@/stat") as file:
            start, end = (int(word) for word in file.read().rsplit(")", 1)[1].split()[47:49])
    except OSError:
        start, end = 0x7FFF00000000, 0x7FFF00000100  # where stacks may be
    room = ctypes.create_string_buffer(end - start)
    local = (ctypes.c_size_t * 2)(ctypes.addressof(room), end - start)
    remote = (ctypes.c_size_t * 2)(start, end - start)
    libc.process_vm_readv.argtypes = [ctypes.c_int, *[ctypes.c_void_p, ctypes.c_ulong] * 2, ctypes.c_ulong]
    if libc.process_vm_readv(int("@PID@"), local, 1, remote, 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")
    return room.raw
