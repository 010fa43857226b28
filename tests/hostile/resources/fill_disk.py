"""Writes 32 MB where it can.

class: resources
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: file; no file appears
safe control: yes
"""


def in_encoder(frame, index, config):
    with open("@FOLDER@/@NAME@", "wb") as file:
        for _ in range(32):
            file.write(bytes(1 << 20))
    return b""
