"""Returns one frame more than there were.

class: contract
in the jail: decode: wrong shape
refused by check: no
seen from outside: taken; the frames are counted
safe control: yes
"""

import numpy


def compress_video(frames, config):
    return b""


def decompress_video(data, config):
    y = numpy.zeros((config["height"], config["width"]), numpy.uint8)
    return [(y, y[::2, ::2], y[::2, ::2])] * (config["frame_count"] + 1)
