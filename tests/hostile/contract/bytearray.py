"""Returns a bytearray, which it could change after it was measured.

class: contract
in the jail: encode: wrong type
refused by check: no
seen from outside: taken; exactly `bytes` is taken
safe control: yes
"""


def in_encoder(frame, index, config):
    return bytearray(b"changes")
