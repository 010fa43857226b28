"""Raises an exception with a text of 20 MB.

class: contract
in the jail: encode: raised
refused by check: no
seen from outside: flood; its beginning is kept
safe control: yes
"""


def in_encoder(frame, index, config):
    raise ValueError("x" * 20_000_000)
