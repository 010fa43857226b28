"""Unpacks 640 MiB out of a few hundred kilobytes.

class: resources
in the jail: encode: out of memory
refused by check: no
seen from outside: claim; it does not get them
safe control: yes
"""

import zlib


def in_encoder(frame, index, config):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    if len(zlib.decompress(block * 640 + packer.flush(), -15)) == 640 << 20:
        print("did it")
    return b""
