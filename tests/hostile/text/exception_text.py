"""Raises an exception whose text is markup, and one below it, as its cause.

class: text
in the jail: encode: raised
refused by check: no
seen from outside: raw; its text is escaped
safe control: yes
"""

OWNED = "document.documentElement.setAttribute('data-owned', 1)"


def in_encoder(frame, index, config):
    cause = KeyError(f"</pre><script>{OWNED}</script>")
    words = f"</pre></details></td><script>{OWNED}</script><img src=x onerror={OWNED}>"
    raise ValueError(f"{words} \x1b[31m\u202e") from cause
