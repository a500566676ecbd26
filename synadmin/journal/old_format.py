"""The journal of earlier versions: a text file with one JSON object a line. It is imported once."""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synadmin.journal.entry import was_refused

_TEXTS = ("id", "run", "server", "method", "path")


class OldJournal:
    """The lines of an old journal that can be imported, and the number of those that cannot.

    Attributes:
        skipped: the number of lines that are damaged or not valid; complete after all lines are read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the lines, oldest first.

        Raises:
            OSError: the file cannot be read.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "is not a regular file")
            for line in file:
                if not line.strip():
                    continue
                fields = _parsed(line)
                if fields is None:
                    self.skipped += 1
                else:
                    yield fields


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return the fields of a line; None where it is not a line of a journal."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not all(isinstance(fields.get(name), str) for name in _TEXTS):
        return None
    status, errcode = fields.get("status"), fields.get("errcode")
    if not (status is None or (type(status) is int and 0 <= status < 1000)):  # noqa: PLR2004
        return None
    if not (errcode is None or isinstance(errcode, str)):
        return None
    if "restoring" in fields and not _is_revert(fields["restoring"]):
        return None
    return fields if _can_be_stored(fields) else None


def _can_be_stored(fields: Mapping[str, Any]) -> bool:
    """Whether the database accepts the line: a lone surrogate would stop the whole import."""
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _is_revert(revert: object) -> bool:
    return (
        isinstance(revert, Mapping)
        and isinstance(revert.get("method"), str)
        and isinstance(revert.get("path"), str)
        and isinstance(revert.get("user"), str | None)
        and isinstance(revert.get("body"), dict | None)
    )


def open_changes(lines: Iterator[tuple[int, dict[str, Any]]]) -> dict[str, int]:
    """Return the temporary changes that no line reverts: the number of the line by the id."""
    numbers: dict[str, int] = {}
    for number, fields in lines:
        if "restoring" in fields and not was_refused(fields.get("status"), fields.get("errcode")):
            numbers[fields["id"]] = number
        status = fields.get("status")
        if isinstance(fields.get("restores"), str) and isinstance(status, int) and 200 <= status < 300:  # noqa: PLR2004
            numbers.pop(fields["restores"], None)
    return numbers
