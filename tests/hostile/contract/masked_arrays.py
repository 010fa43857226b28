"""Returns masked arrays.

class: contract
in the jail: decode: wrong type
refused by check: no
seen from outside: taken; exactly `numpy.ndarray` is taken
safe control: yes
"""

import numpy


def in_decoder(data, index, config):
    return tuple(numpy.ma.masked_array(plane, plane == 0) for plane in painted(b"", config))
