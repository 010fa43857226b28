"""Makes a named pipe: whoever opens it by mistake waits for ever.

class: files
in the jail: runs; hears EACCES or ENOENT or EPERM or EROFS
refused by check: yes
seen from outside: file; no pipe appears
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.mkfifo("@FOLDER@/@NAME@")
    return b""
