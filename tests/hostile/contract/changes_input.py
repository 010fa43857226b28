"""Blackens the frame it was handed, so that its black picture would be measured as lossless.

class: contract
in the jail: runs
refused by check: no
seen from outside: input; the lab's own frames are what they were
safe control: yes
control: in process
"""


def in_encoder(frame, index, config):
    for plane in frame:
        plane[:] = 0
    return b""


def in_decoder(data, index, config):
    return painted(b"", config)
