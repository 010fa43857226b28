"""Returns a clip as a list of a subclass that has more frames the second time it is looked at.

class: contract
in the jail: decode: wrong type
refused by check: no
seen from outside: taken; exactly a list or a tuple is taken
safe control: yes
"""

import numpy


class Growing(list):
    def __iter__(self):
        self.append(self[0])
        return list.__iter__(self)


def compress_video(frames, config):
    return b""


def decompress_video(data, config):
    y = numpy.zeros((config["height"], config["width"]), numpy.uint8)
    return Growing([(y, y[::2, ::2], y[::2, ::2])] * config["frame_count"])
