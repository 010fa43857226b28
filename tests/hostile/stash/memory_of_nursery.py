"""Writes into the nursery's memory by process_vm_writev: the address is the same in parent and child.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; the nursery's memory stays
safe control: yes
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
NURSERY, ROOM = os.getpid(), ctypes.create_string_buffer(64)


def in_encoder(frame, index, config):
    source = ctypes.create_string_buffer(frame[0].tobytes()[:64], 64)
    local = (ctypes.c_size_t * 2)(ctypes.addressof(source), 64)
    remote = (ctypes.c_size_t * 2)(ctypes.addressof(ROOM), 64)
    if libc.process_vm_writev(NURSERY, local, 1, remote, 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "process_vm_writev")
    return b""


def in_decoder(data, index, config):
    return painted(ROOM.raw, config)
