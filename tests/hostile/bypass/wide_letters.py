"""Spells a builtin in letters of double width, which Python takes for the plain ones.

class: bypass
in the jail: runs; hears EACCES or ENOENT
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""


def in_encoder(frame, index, config):
    return ｅｖａｌ("ｏｐｅｎ('@CANARY@', 'rb').read()")
