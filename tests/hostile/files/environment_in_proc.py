"""Reads its own environment as the kernel keeps it: deleting a variable in Python would not touch this copy.

class: files
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; the lab's key does not come out
safe control: yes
"""


def in_encoder(frame, index, config):
    with open("/proc/self/environ", "rb") as file:
        return file.read()
