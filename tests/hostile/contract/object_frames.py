"""Returns planes of Python objects, whose bytes are addresses in memory.

class: contract
in the jail: decode: wrong type
refused by check: no
seen from outside: taken; a plane is uint8 or the run has failed
safe control: yes
"""


def in_decoder(data, index, config):
    return tuple(plane.astype(object) for plane in painted(b"", config))
