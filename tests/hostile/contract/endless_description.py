"""Returns an object that takes for ever to be described: whoever prints it in an error waits.

class: contract
in the jail: encode: wrong type
refused by check: no
seen from outside: hang; only the name of its type is told
safe control: yes
"""


class Talkative:
    def __repr__(self):
        while True:
            pass

    __str__ = __repr__


def in_encoder(frame, index, config):
    return Talkative()
