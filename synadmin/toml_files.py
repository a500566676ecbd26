"""TOML files that people write: read within limits, every name in them checked.

An unknown name is an error, because a misspelled name would otherwise be ignored silently. The error
suggests the nearest known name.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from synadmin.errors import SettingsError
from synadmin.text import safe_text

T = TypeVar("T")

_LARGEST: Final = 1024 * 1024  # characters
_MOST_DOTS: Final = 16  # in a key; real keys have three: tomllib takes quadratic time and memory for dots
_QUOTED_OR_COMMENT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*')


def read(path: Path, parse: Callable[[str], T]) -> T:
    """Read a file and return the result of ``parse``.

    Raises:
        SettingsError: it cannot be read, or ``parse`` raises it; the message names the file.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"cannot read {path}: {reason}") from None
    try:
        return parse(text)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}", hint=error.hint) from None


def document(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        SettingsError: it is not TOML, or it is too large or nested too deep.
    """
    _bounded(text)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SettingsError("not TOML: nested too deep") from None
    except ValueError as error:
        # Python refuses a number of thousands of digits with a message for programmers.
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a number is too long"
        raise SettingsError(f"not TOML: {safe_text(reason)}") from None


def _bounded(text: str) -> None:
    if len(text) > _LARGEST:
        raise SettingsError(f"larger than {_LARGEST // 1024**2} MiB")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MOST_DOTS and _QUOTED_OR_COMMENT.sub("", line).count(".") > _MOST_DOTS:
            raise SettingsError(f"line {number} has more than {_MOST_DOTS} dots outside of quotation marks")


def table(value: object, where: str) -> Mapping[str, Any]:
    """Return a table, or raise SettingsError where the value is not a table."""
    if isinstance(value, dict):
        return value
    raise SettingsError(f"{where} is not a table")


def boolean(value: object, where: str) -> bool:
    """Return true or false, or raise SettingsError where the value is neither."""
    if isinstance(value, bool):
        return value
    raise SettingsError(f"{where}: {quoted(value)} is not true or false")


def strings(value: object, where: str) -> list[str]:
    """Return a list of texts, or raise SettingsError where the value is not one."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise SettingsError(f'{where} is not a list of texts: write ["…", "…"]')


def require_known(names: Mapping[str, Any], known: Collection[str], *, where: str) -> None:
    """Raise SettingsError where a table has a name that is not known."""
    for name in names:
        if name not in known:
            near = nearest(name, known) or f": use one of {', '.join(sorted(known))}"
            raise SettingsError(f"{where} has no {quoted(name)}{near}")


def nearest(name: str, known: Collection[str]) -> str:
    """Return a suggestion of the nearest known name, to add to a sentence; empty where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def quoted(value: object) -> str:
    """Return a value as it is written in TOML, safe for a terminal."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{safe_text(value)}"' if isinstance(value, str) else safe_text(str(value))
