"""Returns planes that are views with negative strides and holes: legal, and to be read as they look.

class: contract
in the jail: runs
refused by check: no
seen from outside: none; the frames come out as the codec meant them
safe control: no; it does no harm
"""

import numpy


def in_decoder(data, index, config):
    return tuple(numpy.repeat(plane[::-1], 2, axis=1)[::-1, ::2] for plane in painted(b"", config))
