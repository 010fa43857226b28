"""Replaces os.write for everybody in its process, so that each reply is sent twice.

class: protocol
in the jail: encode: broke the protocol
refused by check: yes
seen from outside: taken; a second reply ends the run
safe control: yes
"""

import os

real_write = os.write


def in_encoder(frame, index, config):
    def write(fd, data):
        real_write(fd, data)
        return real_write(fd, data)

    os.write = write
    return b"forged"
