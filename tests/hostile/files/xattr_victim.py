"""Hangs an extended attribute on a file: room for a message that no listing shows.

class: files
in the jail: runs; hears EPERM or ENOENT
refused by check: yes
seen from outside: file; the victim has no attribute
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.setxattr("@VICTIM@", "user.note", frame[0].tobytes()[:1000])
    return b""
