"""Adds a line to a file that is not its own.

class: files
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: file; the victim's file is as it was
safe control: yes
"""


def in_encoder(frame, index, config):
    with open("@VICTIM@", "a") as file:
        file.write("one line more\n")
    return b""
