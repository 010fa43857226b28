"""Holds the first samples of a clip that it has seen, and needs no payload for them.

class: baked
in the jail: runs
refused by check: no
seen from outside: none; no jail stops it: the source is capped and its size counted, and held-out clips judge
safe control: no; it does no harm
"""

KNOWN = bytes(range(64))


def in_encoder(frame, index, config):
    return b""


def in_decoder(data, index, config):
    return painted(KNOWN, config)
