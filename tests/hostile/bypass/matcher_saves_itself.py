"""Lets an object of OpenCV write its settings to a file: every algorithm of it can.

class: bypass
needs: cv2
in the jail: runs
refused by check: no
seen from outside: file; no file appears
safe control: yes
"""

import cv2


def in_encoder(frame, index, config):
    cv2.StereoBM_create().save("@FOLDER@/@NAME@")
    return b""
