"""Returns 50 MB for one small frame.

class: resources
in the jail: encode: too large
refused by check: no
seen from outside: taken; the length is read before the bytes, and refused
safe control: yes
"""


def in_encoder(frame, index, config):
    return bytes(50_000_000)
