"""Returns no byte at all: legal, and nothing may divide by it.

class: contract
in the jail: runs
refused by check: no
seen from outside: none; the container still has its header and its lengths
safe control: no; it does no harm
"""


def in_encoder(frame, index, config):
    return b""


def in_decoder(data, index, config):
    return painted(b"", config)
