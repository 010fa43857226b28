"""Returns a generator, whose length nobody knows and which computes while it is read.

class: contract
in the jail: encode: wrong type
refused by check: no
seen from outside: taken; exactly `bytes` is taken
safe control: yes
"""


def in_encoder(frame, index, config):
    return (7 for _ in range(3))
