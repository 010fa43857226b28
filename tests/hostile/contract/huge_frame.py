"""Returns planes a hundred times as large.

class: contract
in the jail: decode: wrong shape
refused by check: no
seen from outside: taken; each plane's shape is compared
safe control: yes
"""

import numpy


def in_decoder(data, index, config):
    return tuple(numpy.tile(plane, (10, 10)) for plane in painted(b"", config))
