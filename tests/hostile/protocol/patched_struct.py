"""Replaces struct.pack's worker: lengths that the worker packs are not those of what it sends.

class: protocol
in the jail: encode: too large
refused by check: yes
seen from outside: taken; the length is compared before any room is made
safe control: yes
"""

import worker


class Packer:
    size = 8

    def pack(self, *values):
        return b"P" * 9 if len(values) > 1 else b"P" * 8


def in_encoder(frame, index, config):
    worker.LENGTH = worker.HEAD = Packer()
    return b"forged"
