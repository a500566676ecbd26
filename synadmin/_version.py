"""The version, in a separate file: to read it with importlib.metadata would slow down the start."""

__version__ = "1.0.0rc1"
