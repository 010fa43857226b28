"""Leaves the clip in /dev/shm, which every container on a machine may share.

idea: IOI isolate 2.6: /dev/shm was shared among sandboxes
class: stash
in the jail: runs; hears EACCES or ENOENT or EROFS
refused by check: yes
seen from outside: stash; the decoder finds no file
safe control: yes
"""


def in_encoder(frame, index, config):
    with open("/dev/shm/@NAME@", "wb") as file:
        file.write(frame[0].tobytes())
    return b""


def in_decoder(data, index, config):
    with open("/dev/shm/@NAME@", "rb") as file:
        return painted(file.read(64), config)
