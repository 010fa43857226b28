"""Writes a file that has no name, then gives it one through /proc.

idea: DMOJ judge-server, dmoj/cptbox/isolate.py, which had to learn of O_TMPFILE
class: files
in the jail: runs; hears EACCES or ENOENT or EPERM or EROFS
refused by check: yes
seen from outside: file; no file appears
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    fd = os.open("@FOLDER@", os.O_TMPFILE | os.O_WRONLY)
    os.write(fd, b"was here")
    os.link(f"/proc/self/fd/{fd}", "@FOLDER@/@NAME@", src_dir_fd=fd, follow_symlinks=True)
    return b""
