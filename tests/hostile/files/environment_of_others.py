"""Reads the environments of its ancestors and of another process of the same user.

class: files
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; the key in the other's environment does not come out
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    found = b""
    for pid in (os.getppid(), int("@PID@")):
        with open(f"/proc/{pid}/environ", "rb") as file:
            found += file.read()
    return found
