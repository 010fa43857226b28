"""Kills by the 32-bit system call.

idea: DMOJ judge-server, testsuite/helloworld/tests/sandbox_nasm_kill_judge
class: processes
in the jail: encode: crashed
refused by check: yes
seen from outside: victim; it is alive
safe control: yes
needs: x86_64
"""

import ctypes
import mmap
import struct

PID = int("@PID@")
CODE = b"\x53\xb8" + struct.pack("<I", 37) + b"\xbb" + struct.pack("<I", PID) + bytes.fromhex("b909000000 cd80 5b c3")
"""push rbx; eax = 37 (kill); ebx = pid; ecx = 9; int 0x80; pop rbx; ret"""


def in_encoder(frame, index, config):
    memory = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)
    memory.write(CODE)
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
    return b""
