"""The honest codec that every hostile file is completed with: it tells whether an attack has left a trace."""

import zlib

import numpy


def honest_encoder(frame, frame_index, config):
    """Return the samples, coarser with a rising QP, packed."""
    step = 1 + config["qp"] // 8
    return zlib.compress(b"".join((plane // step).tobytes() for plane in frame), 9)


def honest_decoder(data, frame_index, config):
    """Return the planes that `honest_encoder` packed."""
    width, height = config["width"], config["height"]
    samples = numpy.frombuffer(zlib.decompress(data), numpy.uint8) * numpy.uint8(1 + config["qp"] // 8)
    y, u, v = numpy.split(samples, [width * height, width * height * 5 // 4])
    half = (height // 2, width // 2)
    return y.reshape(height, width), u.reshape(half), v.reshape(half)


def painted(row, config):
    """Return a black frame whose first samples are `row`: what a decoder has got hold of."""
    width, height = config["width"], config["height"]
    y, chroma = numpy.zeros((height, width), numpy.uint8), numpy.zeros((height // 2, width // 2), numpy.uint8)
    y[0, : len(row)] = numpy.frombuffer(bytes(row), numpy.uint8)[:width]
    return y, chroma, chroma
