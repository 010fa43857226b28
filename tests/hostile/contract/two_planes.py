"""Returns the luma plane and one for both chroma planes.

class: contract
in the jail: decode: wrong type
refused by check: no
seen from outside: taken; a frame is three planes
safe control: yes
"""


def in_decoder(data, index, config):
    return painted(b"", config)[:2]
