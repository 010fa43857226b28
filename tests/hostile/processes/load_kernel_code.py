"""Hands the kernel a program of its own (bpf), and a module.

class: processes
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: claim; the kernel takes neither
safe control: no; most kernels want root for both
needs: x86_64
"""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
BPF, FINIT_MODULE = 321, 313


def in_encoder(frame, index, config):
    if libc.syscall(BPF, 0, ctypes.create_string_buffer(120), 120) >= 0 or libc.syscall(FINIT_MODULE, 0, b"", 0) >= 0:
        print("did it")
    raise OSError(ctypes.get_errno(), "finit_module")
