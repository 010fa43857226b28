"""Sets a file's times back by years: Landlock does not cover times, so another fence must.

class: files
in the jail: runs; hears EPERM or ENOENT
refused by check: yes
seen from outside: file; the victim's times are as they were
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.utime("@VICTIM@", (1, 1))
    return b""
