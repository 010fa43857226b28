"""Raises an exception whose type is called what a browser would run.

class: text
in the jail: encode: raised
refused by check: no
seen from outside: raw; a type's name is escaped as its text is
safe control: yes
"""


class Fault(Exception):
    pass


Fault.__name__ = Fault.__qualname__ = "</pre><script>owned()</script><img src=x onerror=owned()>\x1b[2J"


def in_encoder(frame, index, config):
    raise Fault
