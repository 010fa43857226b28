"""Returns an object that says of itself that its class is bytes: isinstance believes it.

class: contract
in the jail: encode: wrong type
refused by check: no
seen from outside: taken; its type is asked for, not its word
safe control: yes
"""


class Pretender:
    __class__ = bytes

    def __bytes__(self):
        return b"anything"


def in_encoder(frame, index, config):
    return Pretender()
