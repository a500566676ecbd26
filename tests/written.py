"""The journal of a test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from synadmin.journal import entries

if TYPE_CHECKING:
    from pathlib import Path


def journal_of(home: Path) -> str:
    """Return the journal in a home directory, in the format of `journal export`."""
    path = home / "state" / "synadmin" / "journal.sqlite3"
    return "".join(f"{json.dumps(entry, separators=(',', ':'))}\n" for entry in entries(path))
