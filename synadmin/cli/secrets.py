"""Passwords, tokens and other secrets: typed without being shown, or piped in, but not an argument.

In a file or a pipe, the secret is the first line, without a byte order mark. Further text lines are
refused: `pass show` prints notes below the password.
"""

import getpass
import sys
from typing import TYPE_CHECKING

from synadmin.cli.invocation import is_terminal
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def ask(prompt: str) -> str:
    """Ask for a secret without showing it, or read it from standard input if that is not a terminal.

    Raises:
        UsageError: standard input is empty, or holds more than a secret.
    """
    if is_terminal(sys.stdin):
        return getpass.getpass(prompt)
    secret = read_secret("-")
    if not secret.strip():
        message = "standard input is empty"
        raise UsageError(message, hint="pipe the password or token in, or run the command on a terminal")
    return secret


def ask_new(what: str) -> str:
    """Ask for a new password; on a terminal, ask twice.

    Args:
        what: the owner of the secret, for the question: ``@alice:example.org``.

    Raises:
        UsageError: it is empty, or not the same both times.
    """
    password = ask(f"New password for {what}: ")
    if not password:
        raise UsageError("the password is empty")
    if is_terminal(sys.stdin) and getpass.getpass("Repeat it: ") != password:
        raise UsageError("the passwords differ: nothing was changed")
    return password


def read(path: "Path") -> str:
    """Return the secret in a file, without spaces around it.

    Raises:
        UsageError: the file cannot be read, is empty, or holds more than a secret.
    """
    secret = read_secret(str(path)).strip()
    if not secret:
        raise UsageError(f"{path}: the first line is empty; write the secret there")
    return secret


def read_secret(source: str) -> str:
    """Return the first line of a file, or of standard input for ``-``.

    Raises:
        UsageError: it cannot be read, or another line is not empty.
    """
    from synadmin.cli.input_files import read_text
    from synadmin.settings import first_line

    return first_line(read_text(source), "standard input" if source == "-" else source)
