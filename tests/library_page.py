"""The Python code of docs/library.md as one program."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "library.md"
_BLOCK = re.compile(r"^```python(?P<no_run> no-run)?\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)


def program(*, to_run: bool) -> str:
    """Return the code. ``to_run`` leaves out the blocks that are marked ``no-run``."""
    blocks = _BLOCK.finditer(PAGE.read_text("utf-8"))
    return "\n".join(block["code"] for block in blocks if not (to_run and block["no_run"]))
