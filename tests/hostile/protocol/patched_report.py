"""Replaces json.dumps while it is loaded, so that the report of its own loading is a lie.

class: protocol
in the jail: load: broke the protocol
refused by check: yes
seen from outside: none; a report that cannot be read is the candidate's failure
safe control: no; it aims at a report that only the real worker writes
"""

import json


def lie(thing, **options):
    return '{"form": 7, "warmed": [[]]}'


json.dumps = lie
