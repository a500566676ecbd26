"""Passwords, tokens and the like: asked for without being shown, or piped in, and never an argument."""

import getpass
import sys
from pathlib import Path

from synadmin.cli.invocation import is_terminal
from synadmin.errors import UsageError


def ask(prompt: str) -> str:
    """Ask for a secret without showing it, or read it where it is piped in."""
    if is_terminal(sys.stdin):
        return getpass.getpass(prompt)
    try:
        text = sys.stdin.read() if sys.stdin is not None else ""
    except UnicodeDecodeError:
        message = "what came in on standard input is not UTF-8 text"
        raise UsageError(message) from None
    if not text.strip():
        message = "nothing came in on standard input"
        raise UsageError(message, hint="pipe the password or token in, or run it on a terminal")
    return text.removesuffix("\n").removesuffix("\r")


def ask_new(what: str) -> str:
    """Ask for a password that somebody shall have from now on: twice, where a person types it.

    Args:
        what: whose it is, for the question: ``@alice:example.org``.

    Raises:
        UsageError: it is empty, or not the same both times.
    """
    password = ask(f"New password for {what}: ")
    if not password:
        message = "an empty password is none"
        raise UsageError(message)
    if is_terminal(sys.stdin) and getpass.getpass("Once more: ") != password:
        message = "the two passwords are not the same: nothing was changed"
        raise UsageError(message)
    return password


def read(path: Path) -> str:
    """Return the secret that a file holds, on its one line.

    Raises:
        UsageError: it cannot be read, or holds none or more than one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise UsageError(message) from None
    except UnicodeDecodeError:
        message = f"{path} is not a text file (UTF-8)"
        raise UsageError(message) from None
    lines = text.strip().splitlines()
    if len(lines) != 1:
        message = f"{path} should hold the secret, on one line, and nothing else"
        raise UsageError(message)
    return lines[0].strip()
