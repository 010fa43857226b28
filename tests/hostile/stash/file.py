"""Leaves the clip in a file for the decoder.

idea: Piston, tests/file_persistance.py
class: stash
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: stash; the decoder finds no file
safe control: yes
"""


def in_encoder(frame, index, config):
    with open("@FOLDER@/@NAME@", "wb") as file:
        file.write(frame[0].tobytes())
    return b""


def in_decoder(data, index, config):
    with open("@FOLDER@/@NAME@", "rb") as file:
        return painted(file.read(64), config)
