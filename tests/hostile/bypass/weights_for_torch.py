"""Saves weights that are none, and loads them: an object may say what is to be called for it.

idea: models from elsewhere that run code when they are loaded
class: bypass
needs: torch
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""

import io

import torch


class Weights:
    def __reduce__(self):
        return open, ("@CANARY@", "rb")


def in_encoder(frame, index, config):
    buffer = io.BytesIO()
    torch.save(Weights(), buffer)
    buffer.seek(0)
    with torch.load(buffer, weights_only=False) as file:
        return file.read()
