"""Replaces the worker's own check of frames, and sends a frame of another size.

class: protocol
in the jail: decode: wrong shape, or decode: too large
refused by check: yes
seen from outside: taken; the lab counts for itself
safe control: yes
"""

import worker


def unchecked(frame, *others):
    return [b"forged"] if frame is None else [plane.tobytes() for plane in frame]


worker.checked_planes = unchecked


def in_decoder(data, index, config):
    return None
