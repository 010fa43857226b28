"""Lets OpenCV read a picture as a film: its samples are the file's bytes.

class: bypass
needs: cv2
in the jail: runs
refused by check: yes
seen from outside: leak; nothing of the canary comes out
safe control: yes
"""

import cv2


def in_encoder(frame, index, config):
    there, picture = cv2.VideoCapture("@CANARY@.pgm", cv2.CAP_IMAGES).read()
    still = cv2.imread("@CANARY@.pgm", cv2.IMREAD_GRAYSCALE)
    if not there or still is None:
        raise OSError("there is no such picture")
    return picture.tobytes() + still.tobytes()
