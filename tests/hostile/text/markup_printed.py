"""Prints what a browser would run: a script, a picture that fails, a way out of what it stands in.

class: text
in the jail: runs
refused by check: no
seen from outside: raw; each sign that begins an element is escaped
safe control: yes
"""

OWNED = "document.documentElement.setAttribute('data-owned', 1)"


def in_encoder(frame, index, config):
    print(f"</pre></td></table></div><script>{OWNED}</script>")
    print(f'<img src=x onerror="{OWNED}"><a href="javascript:{OWNED}">x</a><b>bold</b>')
    return honest_encoder(frame, index, config)
