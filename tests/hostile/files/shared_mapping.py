"""Changes a file through shared memory: nothing is written, and no file grows.

class: files
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: file; the victim's file is as it was
safe control: yes
"""

import mmap


def in_encoder(frame, index, config):
    with open("@VICTIM@", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:4] = b"EVIL"
    return b""
