"""Secrets from files and standard input."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from synadmin.cli import secret
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_secret_that_is_piped_in_keeps_its_spaces_and_loses_its_line_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(" pass word \r\n"))

    assert secret.ask_new("alice") == " pass word "


def test_nothing_on_standard_input_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))

    with pytest.raises(UsageError, match="nothing came in"):
        secret.ask("Password: ")


def test_a_file_holds_one_secret_on_one_line(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n\n", "utf-8")

    assert secret.read(file) == "hush"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe"])
def test_a_file_that_holds_something_else_is_refused_without_its_content(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)

    with pytest.raises(UsageError) as refused:
        secret.read(file)

    assert "lines" not in str(refused.value)
