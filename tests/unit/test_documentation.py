"""Generated pages and pictures are up to date."""

from __future__ import annotations

import runpy
import struct
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES: dict[str, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_current(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == PAGES[name], "run `make reference` to update this page"


@pytest.mark.parametrize("width", [1400, 400])
def test_picture_of_the_report_has_its_width_and_is_small(width: int) -> None:
    picture = (DOCS / "pictures" / f"audit-{width}.png").read_bytes()
    assert struct.unpack(">I", picture[16:20]) == (width,)
    assert len(picture) < 150_000
