"""What a run has written to its journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from synadmin.journal import entries

if TYPE_CHECKING:
    from pathlib import Path


def journal_of(home: Path) -> str:
    """The journal of the runs with this home directory, as `journal export` prints it."""
    path = home / "state" / "synadmin" / "journal.sqlite3"
    return "".join(f"{json.dumps(entry, separators=(',', ':'))}\n" for entry in entries(path))
