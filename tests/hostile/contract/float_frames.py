"""Returns planes of floats: finer than any display, and nobody's 8 bits.

class: contract
in the jail: decode: wrong type
refused by check: no
seen from outside: taken; a plane is uint8 or the run has failed
safe control: yes
"""


def in_decoder(data, index, config):
    return tuple(plane + 0.25 for plane in painted(b"", config))
