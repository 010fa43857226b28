"""Goes to another folder first, and reads by a name that has no folder in it.

class: files
in the jail: runs; hears EACCES or ENOENT or EPERM
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""

import os


def in_encoder(frame, index, config):
    os.chdir("@FOLDER@")
    with open("canary", "rb") as file:
        return file.read()
