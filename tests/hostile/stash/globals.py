"""Keeps the clip in a global of its module, for a decoder that is forked from the same process.

class: stash
in the jail: runs
refused by check: no
seen from outside: stash; the decoder's copy of the module has never seen the encoder's
safe control: no; processes keep their own memory, jail or not
"""

SEEN = []


def in_encoder(frame, index, config):
    SEEN.append(frame[0].tobytes())
    return b""


def in_decoder(data, index, config):
    return painted(SEEN[0][:64] if SEEN else b"", config)
