"""Reads the stack of another process of the same user through /proc/PID/mem.

class: files
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; the key in the other's memory does not come out
safe control: yes
"""


def in_encoder(frame, index, config):
    with open("/proc/@PID@/maps") as file:
        (stack,) = (line.split()[0] for line in file if line.endswith("[stack]\n"))
    start, end = (int(part, 16) for part in stack.split("-"))
    with open("/proc/@PID@/mem", "rb", buffering=0) as memory:
        memory.seek(start)
        return memory.read(end - start)[-4096:]  # its environment stands at the very end
