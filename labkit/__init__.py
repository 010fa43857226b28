"""labkit: a lab in which video codecs evolve."""

__version__ = "0.1.0"
