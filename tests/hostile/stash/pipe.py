"""Makes a pipe while it is loaded: the encoder writes into it, the decoder reads.

class: stash
in the jail: runs; hears EPERM
refused by check: yes
seen from outside: stash; there is no pipe
safe control: yes
"""

import os


def at_load():
    return os.pipe()


def in_encoder(frame, index, config):
    os.write(KEPT[1], frame[0].tobytes()[:64])
    return b""


def in_decoder(data, index, config):
    return painted(os.read(KEPT[0], 64), config)
