"""Returns planes of a subclass of ndarray, whose bytes are not its samples.

class: contract
in the jail: decode: wrong type
refused by check: no
seen from outside: taken; exactly `numpy.ndarray` is taken
safe control: yes
"""

import numpy


class Plane(numpy.ndarray):
    def tobytes(self, order="C"):
        return b"more than there is" * 10_000


def in_decoder(data, index, config):
    return tuple(plane.view(Plane) for plane in painted(b"", config))
