"""Puts a module of its own in numpy's place: its arrays are what the worker's check asks for, and no arrays.

class: protocol
in the jail: decode: wrong shape, or decode: too large
refused by check: yes
seen from outside: taken; the lab counts the bytes for itself
safe control: yes
"""

import sys
import types


class Plane:
    dtype = "uint8"

    def __init__(self, shape):
        self.shape = shape

    def tobytes(self):
        return b"forged"


def in_decoder(data, index, config):
    sys.modules["numpy"] = types.SimpleNamespace(ndarray=Plane, uint8="uint8")
    width, height = config["width"], config["height"]
    return Plane((height, width)), Plane((height // 2, width // 2)), Plane((height // 2, width // 2))
