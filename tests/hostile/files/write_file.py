"""Writes a new file into a folder that everybody may write to.

class: files
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: file; no file appears
safe control: yes
"""


def in_encoder(frame, index, config):
    with open("@FOLDER@/@NAME@", "wb") as file:
        file.write(b"was here")
    return b""
