"""Lists a folder: what files are called tells a lot.

class: files
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; the name that lies there does not come out
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    return repr(os.listdir("@FOLDER@/names")).encode()
