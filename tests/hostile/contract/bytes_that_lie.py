"""Returns bytes of a subclass that says it has no length: a rate of nothing.

class: contract
in the jail: encode: wrong type
refused by check: no
seen from outside: taken; exactly `bytes` is taken
safe control: yes
"""


class Weightless(bytes):
    def __len__(self):
        return 0


def in_encoder(frame, index, config):
    return Weightless(frame[0].tobytes())
