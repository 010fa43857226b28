"""Raises an exception in a function whose name, as tracebacks tell it, is markup and more lines of a traceback.

class: text
in the jail: encode: raised
refused by check: yes
seen from outside: raw; names of functions are escaped, and are one line each
safe control: yes
"""

NAME = "</pre><script>owned()</script>\x1b[2J\n  line 1, in nothing: all is well\nadopted as v9"


def fail():
    raise ValueError("see above")


fail.__code__ = fail.__code__.replace(co_name=NAME, co_qualname=NAME)


def in_encoder(frame, index, config):
    return fail()
