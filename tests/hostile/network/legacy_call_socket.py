"""Makes a socket by the 32-bit system call: numbers mean other calls there, and a filter may not look.

idea: IOI isolate 2.6, legacy architectures; DMOJ judge-server, testsuite/helloworld/tests/sandbox_nasm_kill_judge
class: network
in the jail: encode: crashed
refused by check: yes
seen from outside: claim; the kernel ends it at the first such call
safe control: yes
needs: x86_64
"""

import ctypes
import mmap

CODE = bytes.fromhex("53 b8 67010000 bb 02000000 b9 01000000 31d2 cd80 5b c3")
"""push rbx; eax = 359 (socket); ebx = AF_INET; ecx = SOCK_STREAM; edx = 0; int 0x80; pop rbx; ret"""


def in_encoder(frame, index, config):
    memory = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)
    memory.write(CODE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if ctypes.CFUNCTYPE(ctypes.c_int)(address)() >= 0:
        print("did it")
    return b""
