"""Replaces the worker's own check of payloads, which lies in the same process, and returns bytes that lie.

class: protocol
in the jail: encode: broke the protocol
refused by check: yes
seen from outside: taken; the lab counts for itself
safe control: yes
"""

import worker


class Weightless(bytes):
    def __len__(self):
        return 0


worker.checked_payload = lambda payload, *others: payload


def in_encoder(frame, index, config):
    return Weightless(b"forged")
