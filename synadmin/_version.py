"""The version, in a file of its own: asking importlib.metadata for it would cost start-up time."""

__version__ = "1.0.0rc1"
