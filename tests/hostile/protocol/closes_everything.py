"""Closes every file that is open in its process.

idea: DMOJ judge-server, testsuite/bridged_interactor/tests/py2_closes_pipes
class: protocol
in the jail: encode: left without a reply
refused by check: yes
seen from outside: none; nobody else's files are closed
safe control: no; it harms only itself
"""

import os


def in_encoder(frame, index, config):
    os.closerange(0, 64)
    return b""
