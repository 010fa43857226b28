"""Evaluates a text that it has put together, and calls nothing for it: decorators do, while it loads.

class: bypass
in the jail: load: raised; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""

OPEN = "".join(map(chr, (111, 112, 101, 110)))


class Table:
    @print
    @eval
    @(lambda function: OPEN + function.__doc__)
    def sizes():
        """('@CANARY@').read()"""


def in_encoder(frame, index, config):
    return b""
