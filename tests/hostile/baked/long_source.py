"""Holds 300 KiB of text: a clip can be written down in a source.

class: baked
in the jail: runs
refused by check: yes
seen from outside: none; the source's size is capped before anything runs
safe control: no; it does no harm
"""

# @PADDING@


def in_encoder(frame, index, config):
    return b""
