"""Returns planes with height and width exchanged: as many samples, another picture.

class: contract
in the jail: decode: wrong shape
refused by check: no
seen from outside: taken; each plane's shape is compared
safe control: yes
"""


def in_decoder(data, index, config):
    return tuple(plane.T for plane in painted(b"", config))
