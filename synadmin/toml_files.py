"""TOML files that people write: read within limits, every name in them checked.

A misspelled name that is silently ignored is worse than none, so an unknown name is an error that suggests
the nearest known one.
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
_MOST_DOTS: Final = 16  # of a key, which has three: tomllib takes quadratic time and memory for them
_QUOTED_OR_COMMENT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*')


def read(path: Path, parse: Callable[[str], T]) -> T:
    """Return what ``parse`` makes of a file.

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
        SettingsError: it is not TOML, or larger or deeper than such a file ever is.
    """
    _bounded(text)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SettingsError("not TOML: nested too deep") from None
    except ValueError as error:
        # Python reads no number of thousands of digits, and says so in words for programmers.
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a number is too long"
        raise SettingsError(f"not TOML: {safe_text(reason)}") from None


def _bounded(text: str) -> None:
    if len(text) > _LARGEST:
        raise SettingsError(f"larger than {_LARGEST // 1024**2} MiB")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MOST_DOTS and _QUOTED_OR_COMMENT.sub("", line).count(".") > _MOST_DOTS:
            raise SettingsError(f"line {number} has more than {_MOST_DOTS} dots outside of quotation marks")


def table(value: object, where: str) -> Mapping[str, Any]:
    """Return a table, or raise SettingsError where it is none."""
    if isinstance(value, dict):
        return value
    raise SettingsError(f"{where} is not a table")


def boolean(value: object, where: str) -> bool:
    """Return true or false, or raise SettingsError where it is neither."""
    if isinstance(value, bool):
        return value
    raise SettingsError(f"{where}: {quoted(value)} is not true or false")


def strings(value: object, where: str) -> list[str]:
    """Return a list of texts, or raise SettingsError where it is none."""
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
    """Return the end of a sentence that suggests the nearest known name; empty where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def quoted(value: object) -> str:
    """Return a value as the file would write it, safe to be shown."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{safe_text(value)}"' if isinstance(value, str) else safe_text(str(value))
