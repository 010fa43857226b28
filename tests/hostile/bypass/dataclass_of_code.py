"""Names a field of a data class so that the method which is written for it says more than its name.

dataclasses puts names into a text that it executes, and expects that annotations were made by the parser.

class: bypass
in the jail: runs; hears EACCES or ENOENT
refused by check: no
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""

import dataclasses


@dataclasses.dataclass(init=False, eq=False)
class Block:
    __annotations__ = {'"+open("@CANARY@").read()#': int}


def in_encoder(frame, index, config):
    return repr(Block()).encode()
