"""Rewrites the configuration it was handed: a smaller picture, and more frames a second.

class: contract
in the jail: runs
refused by check: no
seen from outside: none; the container's header is written by the lab
safe control: no; it does no harm where the configuration is a copy
"""


def in_encoder(frame, index, config):
    config.update(width=2, height=2, fps=1000.0, frame_count=1, qp=0)
    return b""


def in_decoder(data, index, config):
    frame = painted(b"", config)
    config.clear()
    return frame
