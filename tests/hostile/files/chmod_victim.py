"""Opens a file's mode to everybody: Landlock does not cover modes, so another fence must.

class: files
in the jail: runs; hears EPERM or ENOENT
refused by check: yes
seen from outside: file; the victim's mode is as it was
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.chmod("@VICTIM@", 0o777)
    return b""
