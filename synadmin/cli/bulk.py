"""The progress line, under the name that some commands still import it by."""

from synadmin.cli.progress import progress

__all__ = ["progress"]
