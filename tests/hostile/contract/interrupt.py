"""Raises KeyboardInterrupt, as if the user had stopped the campaign.

class: contract
in the jail: encode: raised
refused by check: no
seen from outside: fall; it is the candidate's failure, and the campaign goes on
safe control: yes
"""


def in_encoder(frame, index, config):
    raise KeyboardInterrupt
